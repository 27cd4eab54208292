# docker build -t sluice .
# docker run -v $PWD/sluice.toml:/etc/sluice/sluice.toml:ro -p 8080:8080 sluice
#
# No configuration is baked in: which port to listen on and where to send its
# connections is nothing to guess. To bake one: FROM sluice, COPY it to
# /etc/sluice/sluice.toml, readable by user 65532.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=""
ARG COMMIT=""
RUN CGO_ENABLED=0 go build -trimpath \
    -ldflags "-s -w -X sluice/cmd.version=${VERSION} -X sluice/cmd.commit=${COMMIT}" \
    -o /out/sluice ./cmd/sluice

FROM scratch
COPY --from=build /out/sluice /sluice
USER 65532:65532
# Reads /proc/net in the container: no connection is opened, no backend sees it.
# It cannot see the --config of run: to have the file elsewhere say so to both,
# with -e SLUICE_CONFIG=FILE. The demo has none: docker run --no-healthcheck.
HEALTHCHECK --interval=5s --timeout=2s --start-period=10s --retries=3 CMD ["/sluice", "healthcheck"]
# Give it more than runtime.shutdown_grace to stop: docker stop --time 35.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/sluice"]
CMD ["run"]
