# Two images: `--target klatch` (every service of Klatch, and nats-server) and `--target balancer`. Needs BuildKit, which
# leaves out the stages that nothing asks for.
#
# The arguments name what the images stand on, so that the same file builds where nothing can be pulled: BINARIES may be
# an image that holds klatch, nats-server and an empty folder data; RUNTIME any image with glibc and the certificate
# authorities; HAPROXY any image with haproxy (`make test-compose` makes all three on the machine that it runs on).

ARG BINARIES=built
ARG RUNTIME=gcr.io/distroless/cc-debian13
ARG HAPROXY=haproxy:3.2-alpine

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

FROM scratch AS built
COPY --from=tools /out/nats-server /
COPY --from=build /klatch/target/release/klatch /
WORKDIR /data

FROM ${BINARIES} AS binaries

FROM ${RUNTIME} AS klatch
COPY --from=binaries /klatch /nats-server /usr/local/bin/
COPY nats /etc/klatch/nats
# Nobody's account on any machine. A new volume at /data takes over whom the folder belongs to.
COPY --from=binaries --chown=65532:65532 /data /data
USER 65532:65532
WORKDIR /data
EXPOSE 5004
ENTRYPOINT ["/usr/local/bin/klatch"]
CMD ["--help"]

FROM ${HAPROXY} AS balancer
COPY balancer/haproxy.cfg /etc/haproxy/haproxy.cfg
USER 65532:65532
EXPOSE 5004 5443
# Stop taking clients, let those that are there go; the file says for how long.
STOPSIGNAL SIGUSR1
ENTRYPOINT ["haproxy", "-W", "-db", "-f", "/etc/haproxy/haproxy.cfg"]
