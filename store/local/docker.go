package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	postgresImage = "postgres:17-alpine"
	valkeyImage   = "valkey/valkey:8-alpine"
	dockerAnswers = 5 * time.Second // for an engine to say that it is there
)

// docker is Docker's command on this machine, with an engine that answers.
type docker struct{ path string }

func findDocker(ctx context.Context) (docker, error) {
	path, err := exec.LookPath("docker")
	if err != nil {
		return docker{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, dockerAnswers)
	defer cancel()
	if said, err := exec.CommandContext(ctx, path, "info").CombinedOutput(); err != nil {
		return docker{}, fmt.Errorf("docker has no engine: %w: %s", err, tail(said))
	}
	return docker{path}, nil
}

// container is a store run in a container. Docker's command stays in the foreground as our child: it hands signals on, so
// the container ends with us.
type container struct {
	docker
	place     *place
	name      string
	run       command
	ready     func(ctx context.Context) bool
	keepsData bool // in a volume of the container's name
	child     *process
}

func (d docker) postgres(ctx context.Context, p *place, o Options) (s *Server, err error) {
	o.say("Postgres: starting %s in Docker (the first time it is loaded)", postgresImage)
	err = onFreePort(o.Port, func(port int) error {
		c := d.container("postgres", p)
		c.keepsData = true
		c.run.args = []string{
			"docker", "run", "--rm", "--name", c.name, "-p", fmt.Sprintf("127.0.0.1:%d:5432", port),
			"-e", "POSTGRES_USER", "-e", "POSTGRES_PASSWORD", "-e", "POSTGRES_DB=postgres",
			"-v", c.name + ":/var/lib/postgresql/data", postgresImage,
			"-c", "max_connections=200", "-c", "jit=off", "-c", "timezone=GMT",
		}
		if !o.Durable {
			for _, flag := range frailFlags {
				c.run.args = append(c.run.args, "-c", flag)
			}
		}
		c.run.env = []string{"POSTGRES_USER=" + postgresUser, "POSTGRES_PASSWORD=" + p.password}
		c.ready = func(ctx context.Context) bool {
			// Over TCP: while the image prepares its data, a server answers on a socket that goes away again.
			return c.do(ctx, "exec", c.name, "pg_isready", "-q", "-h", "127.0.0.1", "-U", postgresUser) == nil
		}
		s = &Server{url: postgresURL(port, p.password), origin: postgresImage + " in Docker, container " + c.name, engine: c}
		return c.start(ctx)
	})
	return s, err
}

func (d docker) valkey(ctx context.Context, p *place, o Options) (s *Server, err error) {
	o.say("Valkey: starting %s in Docker (the first time it is loaded)", valkeyImage)
	err = onFreePort(o.Port, func(port int) error {
		c := d.container("valkey", p)
		c.run.args = []string{
			"docker", "run", "--rm", "--name", c.name, "-p", fmt.Sprintf("127.0.0.1:%d:6379", port), "-e", "PASSWORD", valkeyImage,
			"sh", "-c", `exec valkey-server --save "" --appendonly no --requirepass "$PASSWORD"`,
		}
		c.run.env = []string{"PASSWORD=" + p.password}
		c.ready = func(ctx context.Context) bool { return pong(ctx, loopback(port), p.password) }
		s = &Server{url: redisURL(loopback(port), p.password), origin: valkeyImage + " in Docker, container " + c.name, engine: c}
		return c.start(ctx)
	})
	return s, err
}

// container names the container after its folder: the same again for data that is kept.
func (d docker) container(store string, p *place) *container {
	name := "bestie-" + store + "-" + shortSum(p.dir)
	return &container{
		docker: d, place: p, name: name,
		run: command{path: d.path, dir: p.dir, log: filepath.Join(p.dir, logName), orphan: syscall.SIGINT},
	}
}

func (d docker) do(ctx context.Context, args ...string) error {
	if said, err := exec.CommandContext(ctx, d.path, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("docker %s: %w: %s", args[0], err, tail(said))
	}
	return nil
}

func (c *container) start(ctx context.Context) error {
	if c.child != nil && c.child.running() {
		return errors.New("it runs already")
	}
	_ = c.do(ctx, "rm", "-f", c.name) // left by a run that was killed; usually there is none
	var err error
	if c.child, err = startProcess(c.run); err != nil {
		return err
	}
	tick := time.NewTicker(10 * readyPoll)
	defer tick.Stop()
	for !c.ready(ctx) {
		select {
		case <-c.child.done:
			said, _ := os.ReadFile(c.run.log)
			return fmt.Errorf("docker run: %w: %s", c.child.err, strings.TrimSpace(string(tail(said))))
		case <-ctx.Done():
			_ = c.kill()
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

func (c *container) kill() error {
	if !c.child.running() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	if err := c.do(ctx, "kill", c.name); err != nil {
		_ = c.child.signal(syscall.SIGKILL) // the container never came to be
	}
	<-c.child.done
	return nil
}

func (c *container) pause() error  { return c.bounded("pause", c.name) }
func (c *container) resume() error { return c.bounded("unpause", c.name) }

func (c *container) close() {
	if c.child == nil || c.place.owner == nil {
		return
	}
	if c.child.running() {
		_ = c.resume()
		_ = c.bounded("stop", "-t", "5", c.name)
		_ = c.kill()
	}
	if c.keepsData && !c.place.keep {
		_ = c.bounded("volume", "rm", "-f", c.name)
	}
	c.place.release()
}

func (c *container) bounded(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	return c.do(ctx, args...)
}
