# One static binary on nothing. The settings come from the environment: README.md lists them.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o /bestie ./cmd/bestie

FROM scratch
# For TLS to the stores and to the services outside.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /bestie /bestie
# A number, since there is no list of users here; it owns nothing.
USER 65532:65532
# Sockets and REST. The internal listener stays on the container's loopback until INTERNAL_ADDR says otherwise.
EXPOSE 3000
STOPSIGNAL SIGTERM
# Without arguments it serves; `docker run … migrate`, `… seed` and `… check` run the other commands.
ENTRYPOINT ["/bestie"]
CMD ["serve"]
