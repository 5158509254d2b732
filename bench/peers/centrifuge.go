package main

import (
	"context"
	"encoding/binary"
	"net/http"

	"github.com/centrifugal/centrifuge"
	"github.com/centrifugal/protocol"
	"google.golang.org/protobuf/proto"

	"github.com/halobestie/bestie-gateway/bench/load"
)

const everybody = "all" // a channel

// serveCentrifuge answers RPCs and publishes to a channel that clients subscribe to.
func serveCentrifuge(addr string) error {
	node, err := centrifuge.New(centrifuge.Config{LogLevel: centrifuge.LogLevelNone})
	if err != nil {
		return err
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{UserID: "u"}}, nil
	})
	node.OnConnect(func(c *centrifuge.Client) {
		c.OnSubscribe(func(_ centrifuge.SubscribeEvent, done centrifuge.SubscribeCallback) {
			done(centrifuge.SubscribeReply{}, nil)
		})
		c.OnMessage(func(centrifuge.MessageEvent) {})
		c.OnRPC(func(e centrifuge.RPCEvent, done centrifuge.RPCCallback) {
			if e.Data[0] == wantsBroadcast {
				_, _ = node.Publish(everybody, append([]byte{}, e.Data...))
			}
			done(centrifuge.RPCReply{Data: append([]byte{}, e.Data[:answerBytes]...)}, nil)
		})
	})
	if err := node.Run(); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/ws", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		ReadBufferSize: 512, UseWriteBufferPool: true,
		PingPongConfig: centrifuge.PingPongConfig{PingInterval: -1, PongTimeout: -1},
		CheckOrigin:    func(*http.Request) bool { return true },
	}))
	return http.ListenAndServe(addr, mux)
}

// centrifugeDialect is its protobuf protocol. Answers carry the id of their command, events none.
func centrifugeDialect() load.Dialect {
	const id = 7
	command := func(c *protocol.Command) []byte {
		text, err := proto.Marshal(c)
		if err != nil {
			panic(err) // constants
		}
		return append(binary.AppendUvarint(nil, uint64(len(text))), text...)
	}
	push, err := proto.Marshal(&protocol.Reply{Push: &protocol.Push{Channel: everybody}})
	if err != nil {
		panic(err)
	}
	rpc := func(data []byte) []byte {
		return command(&protocol.Command{Id: id, Rpc: &protocol.RPCRequest{Data: data}})
	}
	return load.Dialect{
		Path: "/ws?format=protobuf", Subprotocol: "centrifuge-protobuf", Delimited: true, Greeted: true,
		Hello:     command(&protocol.Command{Id: 1, Connect: &protocol.ConnectRequest{}}),
		Subscribe: command(&protocol.Command{Id: 2, Subscribe: &protocol.SubscribeRequest{Channel: everybody}}),
		Request:   rpc(message(wantsAnswer, requestBytes-8)), // with the command around it about as long as the others'
		OneWay:    command(&protocol.Command{Send: &protocol.SendRequest{Data: message(wantsNothing, 3)}}),
		Answer:    []byte{0x08, id}, Event: push[:1],
		Triggers: [][]byte{rpc(message(wantsBroadcast, eventBytes))},
	}
}
