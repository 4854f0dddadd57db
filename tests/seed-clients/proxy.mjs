// A plain TCP proxy that hands each new connection to the next edge, as a load balancer without sticky sessions does.

import { connect, createServer } from "node:net";

/** Listens on a port of its own; `counts` says how many connections each edge was given. */
export async function roundRobin(edges) {
  const counts = edges.map(() => 0);
  const sockets = new Set();
  let next = 0;
  const server = createServer((client) => {
    const edge = next;
    next = (next + 1) % edges.length;
    counts[edge] += 1;
    const upstream = connect(edges[edge].port, "127.0.0.1");
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ]) {
      sockets.add(from);
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  return {
    http: `http://127.0.0.1:${port}`,
    ws: `ws://127.0.0.1:${port}`,
    counts,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
