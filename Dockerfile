# docker build -t timepool .
# docker run --rm -p 5300:5300/udp -p 5300:5300/tcp -p 127.0.0.1:8053:8053 \
#     -v ./pool.yaml:/etc/timepool/pool.yaml:ro -v timepool:/var/lib/timepool timepool
#
# No root and no port under 1024 inside; map 53 to 5300 outside. A member:
# docker run --rm --network host timepool respond --listen 0.0.0.0:12300 …

FROM golang:1.26 AS build
ARG VERSION=
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$VERSION" -o /image/timepool ./cmd/timepool \
 && mkdir -p /image/etc/timepool /image/var/lib/timepool /image/run/timepool /image/tmp \
 && cp deploy/container/timepool.yaml /image/etc/timepool/ \
 && chown 65532:65532 /image/var/lib/timepool /image/run/timepool \
 && chmod 0750 /image/var/lib/timepool /image/run/timepool \
 && chmod 1777 /image/tmp

FROM scratch
COPY --from=build /image/ /
USER 65532:65532
VOLUME /var/lib/timepool
EXPOSE 5300/udp 5300/tcp 8053/tcp
# DNS opens after the first round of checks; until then the node is starting.
HEALTHCHECK --interval=30s --timeout=5s --start-period=3m CMD ["/timepool", "status"]
ENTRYPOINT ["/timepool"]
CMD ["serve"]
