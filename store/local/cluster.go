package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// nodeTimeout is after which silence a cluster's node counts as gone. Long enough for a machine that is busy, short
	// enough for a test that waits for a fail-over.
	nodeTimeout = 2 * time.Second
	// formPatience bounds how long nodes may take to find together.
	formPatience = time.Minute
	formPoll     = 20 * time.Millisecond

	clusterSlots = 16384
)

const nodesName = "nodes.conf"

const clusterConf = `cluster-enabled yes
cluster-config-file ` + nodesName + `
cluster-port %d
cluster-node-timeout %d
cluster-replica-validity-factor 0
cluster-require-full-coverage no
repl-diskless-sync-delay 0
masterauth %s
`

// ValkeyCluster is a Valkey Cluster on this machine: masters that share the slots, and a replica of each. It is for tests that
// kill its nodes: a master that is gone is replaced by its replica within a few seconds, and is the replica when it comes back.
//
//	start all ──► slots to the masters ──► they meet ──► replicas follow ──► every node finds the cluster whole
type ValkeyCluster struct {
	nodes    []*Server    // the masters first
	files    []*nodesFile // of each
	password string
}

// nodesFile is what a node keeps of its cluster. A node that was killed while it wrote it would not start again; with the file as it was
// when the cluster was formed it is told the rest by the others, as one that was away for long.
type nodesFile struct {
	path   string
	formed []byte // nil: not yet
}

// keep remembers the file.
func (f *nodesFile) keep() (err error) {
	f.formed, err = os.ReadFile(f.path)
	return err
}

// clear puts the file as it was in the place of one that is not whole.
func (f *nodesFile) clear(p *place, data string) error {
	f.path = filepath.Join(data, nodesName)
	text, err := os.ReadFile(f.path)
	switch {
	case errors.Is(err, os.ErrNotExist), err == nil && isWhole(text):
		return nil
	case err != nil:
		return err
	case f.formed == nil:
		return os.Remove(f.path)
	default:
		return writeFor(p.as, f.path, f.formed)
	}
}

// isWhole tells whether a nodes.conf ends as one does.
func isWhole(text []byte) bool {
	lines := bytes.Split(text, []byte("\n"))
	return len(lines) > 1 && len(lines[len(lines)-1]) == 0 && bytes.HasPrefix(lines[len(lines)-2], []byte("vars "))
}

// StartValkeyCluster starts a cluster of that many masters, at least three: fewer could not agree on who is gone. It is
// always private, keeps nothing, and needs a real Valkey or Redis 7. ctx bounds the start alone.
func StartValkeyCluster(ctx context.Context, masters int, o Options) (*ValkeyCluster, error) {
	c := new(ValkeyCluster)
	for range 2 * masters {
		node, err := c.startNode(ctx, o)
		if err != nil {
			c.Stop()
			return nil, err
		}
		c.nodes = append(c.nodes, node)
	}
	if err := c.form(ctx, masters); err != nil {
		c.Stop()
		return nil, fmt.Errorf("form a cluster: %w", err)
	}
	return c, nil
}

func (c *ValkeyCluster) startNode(ctx context.Context, o Options) (*Server, error) {
	r, err := claimValkey(ctx, o)
	if err != nil {
		return nil, err
	}
	if c.password == "" {
		c.password = r.place.password
	}
	r.place.password = c.password // one for all: they speak to each other
	r.more = func(_ int, _ string) (string, error) {
		bus, err := freePort()
		return fmt.Sprintf(clusterConf, bus, nodeTimeout.Milliseconds(), c.password), err
	}
	file := new(nodesFile)
	r.clear = file.clear
	c.files = append(c.files, file)
	return r.startOrRelease(ctx)
}

// URL names all nodes, so that a client finds the cluster while one of them lives.
func (c *ValkeyCluster) URL() string {
	query := url.Values{}
	for _, node := range c.nodes[1:] {
		query.Add("addr", node.address())
	}
	return redisURL(c.nodes[0].address(), c.password) + "?" + query.Encode()
}

// Nodes are the servers; killing one may make another the master of its slots.
func (c *ValkeyCluster) Nodes() []*Server { return slices.Clone(c.nodes) }

// Master is the server that holds a key's slot now, as the first living node sees it.
func (c *ValkeyCluster) Master(ctx context.Context, key string) (*Server, error) {
	var failed error
	for _, node := range c.nodes {
		slot, err := c.ask(ctx, node, "CLUSTER", "KEYSLOT", key)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		lines, err := c.ask(ctx, node, "CLUSTER", "NODES")
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		n, err := strconv.Atoi(slot)
		if err != nil {
			return nil, err
		}
		address := masterOf(lines, n)
		if i := slices.IndexFunc(c.nodes, func(s *Server) bool { return s.address() == address }); i >= 0 {
			return c.nodes[i], nil
		}
	}
	return nil, fmt.Errorf("nobody holds the slot of %s: %w", key, failed)
}

// Stop ends all nodes and removes what they wrote. It may be called twice.
func (c *ValkeyCluster) Stop() { stopAll(c.nodes) }

func stopAll(servers []*Server) {
	var all sync.WaitGroup
	for _, server := range servers {
		all.Go(server.Stop)
	}
	all.Wait()
}

// form makes a cluster of the nodes.
func (c *ValkeyCluster) form(ctx context.Context, masters int) error {
	ctx, cancel := context.WithTimeout(ctx, formPatience)
	defer cancel()
	for i, node := range c.nodes {
		if _, err := c.ask(ctx, node, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1)); err != nil {
			return err
		}
		if i < masters {
			first, last := i*clusterSlots/masters, (i+1)*clusterSlots/masters-1
			if _, err := c.ask(ctx, node, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(last)); err != nil {
				return err
			}
		}
	}
	for _, node := range c.nodes[1:] {
		if err := c.meet(ctx, node); err != nil {
			return err
		}
	}
	if err := c.await(ctx, func(lines string) bool { return strings.Count(lines, "connected") == len(c.nodes) }); err != nil {
		return err
	}
	for i, node := range c.nodes[masters:] {
		id, err := c.ask(ctx, c.nodes[i], "CLUSTER", "MYID")
		if err != nil {
			return err
		}
		if _, err := c.ask(ctx, node, "CLUSTER", "REPLICATE", id); err != nil {
			return err
		}
	}
	return c.settled(ctx, masters)
}

// settled waits until every node knows the roles of all and every replica has its master's data, and keeps what they know.
func (c *ValkeyCluster) settled(ctx context.Context, masters int) error {
	if err := c.await(ctx, func(lines string) bool { return strings.Count(lines, "slave") == len(c.nodes)-masters }); err != nil {
		return err
	}
	for _, node := range c.nodes {
		if err := c.until(ctx, node, "CLUSTER INFO", func(said string) bool { return strings.Contains(said, "cluster_state:ok") }); err != nil {
			return err
		}
	}
	for _, node := range c.nodes[masters:] {
		if err := c.until(ctx, node, "INFO replication", func(said string) bool { return strings.Contains(said, "master_link_status:up") }); err != nil {
			return err
		}
	}
	for _, file := range c.files {
		if err := file.keep(); err != nil {
			return err
		}
	}
	return nil
}

func (c *ValkeyCluster) meet(ctx context.Context, node *Server) error {
	u, err := url.Parse(node.URL())
	if err != nil {
		return err
	}
	conf, err := c.ask(ctx, node, "CONFIG", "GET", "cluster-port")
	if err != nil {
		return err
	}
	bus := conf[strings.LastIndexByte(conf, '\n')+1:]
	_, err = c.ask(ctx, c.nodes[0], "CLUSTER", "MEET", u.Hostname(), u.Port(), bus)
	return err
}

// await waits until what every node says of the cluster is as wanted.
func (c *ValkeyCluster) await(ctx context.Context, wanted func(lines string) bool) error {
	for _, node := range c.nodes {
		if err := c.until(ctx, node, "CLUSTER NODES", wanted); err != nil {
			return err
		}
	}
	return nil
}

func (c *ValkeyCluster) until(ctx context.Context, node *Server, command string, wanted func(said string) bool) error {
	return until(ctx, func() (bool, error) {
		said, err := c.ask(ctx, node, strings.Fields(command)...)
		return err == nil && wanted(said), err
	})
}

func (c *ValkeyCluster) ask(ctx context.Context, node *Server, command ...string) (string, error) {
	return ask(ctx, node.address(), c.password, command...)
}

// masterOf reads CLUSTER NODES: "id host:port@bus[,name] flags master ping pong epoch link slot slot-slot …".
func masterOf(lines string, slot int) (address string) {
	for line := range strings.Lines(lines) {
		fields := strings.Fields(line)
		if len(fields) < 9 || !strings.Contains(fields[2], "master") || strings.Contains(fields[2], "fail") {
			continue
		}
		for _, part := range fields[8:] {
			from, to, isRange := strings.Cut(part, "-")
			first, err := strconv.Atoi(from)
			if err != nil {
				continue // a slot on its way
			}
			last := first
			if isRange {
				if last, err = strconv.Atoi(to); err != nil {
					continue
				}
			}
			if first <= slot && slot <= last {
				address, _, _ = strings.Cut(fields[1], "@")
				return address
			}
		}
	}
	return ""
}
