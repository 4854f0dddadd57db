/** Where a product's own pages come from: a server of static files on an origin that is not Klatch's. */

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const PAGES = fileURLToPath(new URL("../pages/", import.meta.url));
/** The bundle for browsers that the package brings along. */
const SOCKET_IO = join(
  dirname(createRequire(import.meta.url).resolve("socket.io-client/package.json")),
  "dist",
  "socket.io.min.js",
);
/** What the documents write for their server. */
const DOCUMENTED_ADDRESS = /http:\/\/localhost:(3000|5004)/g;

export class FrontEnd {
  readonly origin: string;
  /** Where the pages find their server. */
  server = "";

  private constructor(http: Server) {
    this.origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  }

  static async start(): Promise<FrontEnd> {
    const http = createServer().listen(0, "127.0.0.1");
    await once(http, "listening");
    // It lives as long as the tests' process does.
    http.unref();
    const frontEnd = new FrontEnd(http);
    http.on("request", async (request, response) => {
      const file = await frontEnd.#file(request.url ?? "/").catch(() => null);
      if (file === null) response.writeHead(404).end();
      else response.writeHead(200, { "content-type": `${file.type}; charset=utf-8` }).end(file.body);
    });
    return frontEnd;
  }

  async #file(path: string): Promise<{ type: string; body: string } | null> {
    if (path === "/socket.io.js") return { type: "text/javascript", body: await readFile(SOCKET_IO, "utf8") };
    const page = /^\/(\d{3}\.html)$/.exec(path)?.[1];
    if (page === undefined) return null;
    const body = await readFile(join(PAGES, page), "utf8");
    return { type: "text/html", body: body.replace(DOCUMENTED_ADDRESS, this.server) };
  }
}
