import { defineConfig } from "vite";

/** Where `npm run dev` finds a Klatch to talk to. */
const server = process.env["KLATCH_URL"] ?? "http://127.0.0.1:5004";

export default defineConfig({
  build: {
    target: "es2022",
    // The policy that the page is served with allows no data: scripts or styles, and no inline ones.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: {
      "/chat/ws": { target: server, ws: true },
      "/demo": { target: server },
      "/auth": { target: server },
      "/api": { target: server },
      "/.well-known": { target: server },
    },
  },
});
