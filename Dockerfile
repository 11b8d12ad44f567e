ARG BUILD_FROM=gcr.io/distroless/static-debian13:latest

FROM --platform=$BUILDPLATFORM docker.io/library/golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY addon addon
COPY cmd cmd
COPY pkg pkg
ARG TARGETARCH
ARG BUILD_VERSION=dev
RUN CGO_ENABLED=0 GOOS=linux GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w -X main.version=$BUILD_VERSION" -o /out/grid2mqtt ./cmd/grid2mqtt

# Home Assistant's names of the architectures.
FROM ${BUILD_FROM} AS image-amd64
LABEL io.hass.arch="amd64"
FROM ${BUILD_FROM} AS image-arm64
LABEL io.hass.arch="aarch64"

FROM image-${TARGETARCH}
COPY --from=build /out/grid2mqtt /usr/bin/grid2mqtt
ENV DATA_DIR=/data
VOLUME /data
EXPOSE 8098 8099
HEALTHCHECK --interval=60s --timeout=5s --start-period=30s \
    CMD ["/usr/bin/grid2mqtt", "healthcheck"]
ENTRYPOINT ["/usr/bin/grid2mqtt"]
ARG BUILD_VERSION=dev
LABEL io.hass.type="app" \
      io.hass.name="Grid2MQTT" \
      io.hass.description="Energy vendors' demand-response events as Home Assistant entities, the moment they happen" \
      io.hass.url="https://github.com/grid2mqtt/grid2mqtt" \
      io.hass.version="$BUILD_VERSION" \
      org.opencontainers.image.title="Grid2MQTT" \
      org.opencontainers.image.description="Energy vendors' demand-response events as Home Assistant entities, the moment they happen" \
      org.opencontainers.image.url="https://github.com/grid2mqtt/grid2mqtt" \
      org.opencontainers.image.source="https://github.com/grid2mqtt/grid2mqtt" \
      org.opencontainers.image.documentation="https://github.com/grid2mqtt/grid2mqtt/blob/main/DOCS.md" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$BUILD_VERSION"
