# One file for the three containers of compose.yaml: `--target broker`, `--target klatch` (edge, projector and notifier).

FROM debian:13-slim AS tools
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates python3 python3-pip
COPY scripts/nats_server.py /
RUN python3 /nats_server.py /out

FROM node:24-slim AS page
WORKDIR /klatch
COPY package.json package-lock.json .npmrc ./
COPY shared/client-ts shared/client-ts
COPY services/web services/web
COPY tests/browser/package.json tests/browser/
COPY tests/seed-clients/package.json tests/seed-clients/
RUN npm ci --no-progress && npm run build

FROM rust:1.95-slim-trixie AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev make
WORKDIR /klatch
COPY . .
COPY --from=page /klatch/services/web/dist services/web/dist
RUN cargo build --release --locked -p klatch

# nats-server is static: it needs nothing but itself.
FROM scratch AS broker
COPY --from=tools /out/nats-server /nats-server
COPY nats/broker.conf /broker.conf
ENV KLATCH_BROKER_NAME='"klatch"' KLATCH_BROKER_LISTEN='"0.0.0.0:4222"' KLATCH_BROKER_STORE='"/data"'
VOLUME /data
EXPOSE 4222
ENTRYPOINT ["/nats-server", "-c", "/broker.conf"]

FROM debian:13-slim AS klatch
# What webhooks' certificates are verified against.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
RUN useradd --system --create-home --home-dir /data klatch
COPY --from=build /klatch/target/release/klatch /usr/local/bin/klatch
USER klatch
WORKDIR /data
VOLUME /data
EXPOSE 5004
ENTRYPOINT ["klatch"]
CMD ["--help"]
