package fault_test

import (
	"bufio"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/halobestie/bestie-gateway/bench/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is for what must happen, brief for what must not.
const (
	patience = 10 * time.Second
	brief    = 100 * time.Millisecond
)

// echo answers each line, and tells what it heard.
func echo(t *testing.T) (addr string, heard <-chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	lines := make(chan string, 100)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for in := bufio.NewScanner(conn); in.Scan(); {
					lines <- in.Text()
					if _, err := io.WriteString(conn, in.Text()+"\n"); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String(), lines
}

// caller is a connection through a proxy.
type caller struct {
	t *testing.T
	net.Conn
	lines *bufio.Reader
}

func proxied(t *testing.T) (*fault.Proxy, *caller, <-chan string) {
	t.Helper()
	addr, heard := echo(t)
	p, err := fault.Listen(addr)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p, call(t, p), heard
}

func call(t *testing.T, p *fault.Proxy) *caller {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return &caller{t, conn, bufio.NewReader(conn)}
}

func (c *caller) say(line string) {
	c.t.Helper()
	_, err := io.WriteString(c, line+"\n")
	require.NoError(c.t, err)
}

// hear is the next answer, or what was wrong within the time.
func (c *caller) hear(within time.Duration) (string, error) {
	c.t.Helper()
	require.NoError(c.t, c.SetReadDeadline(time.Now().Add(within)))
	line, err := c.lines.ReadString('\n')
	return line, err
}

func (c *caller) hears(line string) {
	c.t.Helper()
	got, err := c.hear(patience)
	require.NoError(c.t, err)
	require.Equal(c.t, line+"\n", got)
}

func (c *caller) hearsNothing() {
	c.t.Helper()
	_, err := c.hear(brief)
	require.ErrorIs(c.t, err, os.ErrDeadlineExceeded)
}

func (c *caller) isCut() {
	c.t.Helper()
	_, err := c.hear(patience)
	require.Error(c.t, err)
	require.NotErrorIs(c.t, err, io.EOF, "a reset is no end")
	require.NotErrorIs(c.t, err, os.ErrDeadlineExceeded, "the connection is still up")
}

// isRefused tries a new connection, which may be reset as soon as it is up, or before.
func isRefused(t *testing.T, p *fault.Proxy) {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		return
	}
	defer conn.Close()
	(&caller{t, conn, bufio.NewReader(conn)}).isCut()
}

func TestProxy(t *testing.T) {
	t.Parallel()

	t.Run("a good network", func(t *testing.T) {
		t.Parallel()
		_, c, _ := proxied(t)
		c.say("one")
		c.hears("one")
		require.NoError(t, c.Conn.(*net.TCPConn).CloseWrite())
		_, err := c.hear(patience)
		require.Error(t, err, "the end is passed on")
	})

	t.Run("refused: those that are up are cut, new ones too, until it is healed", func(t *testing.T) {
		t.Parallel()
		p, c, _ := proxied(t)
		c.say("one")
		c.hears("one")
		p.Set(fault.Mode{Refuse: true})
		c.isCut()
		isRefused(t, p)
		p.Heal()
		again := call(t, p)
		again.say("two")
		again.hears("two")
	})

	t.Run("cut: only those that are up", func(t *testing.T) {
		t.Parallel()
		p, c, _ := proxied(t)
		c.say("one")
		c.hears("one")
		p.Cut()
		c.isCut()
		again := call(t, p)
		again.say("two")
		again.hears("two")
	})

	t.Run("silence: everything arrives when it is over, in order", func(t *testing.T) {
		t.Parallel()
		p, c, heard := proxied(t)
		p.Set(fault.Silence)
		c.say("one")
		c.say("two")
		c.hearsNothing()
		require.Empty(t, heard)
		p.Heal()
		c.hears("one")
		c.hears("two")
	})

	t.Run("one way: requests arrive, answers wait", func(t *testing.T) {
		t.Parallel()
		p, c, heard := proxied(t)
		p.Set(fault.Mode{SilenceAnswers: true})
		c.say("one")
		require.Equal(t, "one", <-heard)
		c.hearsNothing()
		p.Heal()
		c.hears("one")
	})

	t.Run("the other way: requests wait", func(t *testing.T) {
		t.Parallel()
		p, c, heard := proxied(t)
		p.Set(fault.Mode{SilenceRequests: true})
		c.say("one")
		c.hearsNothing()
		require.Empty(t, heard)
		p.Heal()
		c.hears("one")
	})

	t.Run("a lost answer: the request is carried out, and the connection is gone", func(t *testing.T) {
		t.Parallel()
		p, c, heard := proxied(t)
		p.Set(fault.Mode{LoseAnswers: true})
		c.say("one")
		require.Equal(t, "one", <-heard)
		c.isCut()
	})

	t.Run("delay: either way, and pieces do not add theirs up", func(t *testing.T) {
		t.Parallel()
		p, c, _ := proxied(t)
		const delay, lines = 50 * time.Millisecond, 20
		p.Set(fault.Mode{Delay: delay})
		began := time.Now()
		for range lines {
			c.say("one")
		}
		for range lines {
			c.hears("one")
		}
		require.GreaterOrEqual(t, time.Since(began), 2*delay)
	})

	t.Run("a narrow line", func(t *testing.T) {
		t.Parallel()
		p, c, _ := proxied(t)
		p.Set(fault.Mode{BytesPerSecond: 100})
		began := time.Now()
		c.say("123456789") // ten bytes each way
		c.hears("123456789")
		require.GreaterOrEqual(t, time.Since(began), 200*time.Millisecond)
	})

	t.Run("the target is gone", func(t *testing.T) {
		t.Parallel()
		p, err := fault.Listen("127.0.0.1:1")
		require.NoError(t, err)
		defer p.Close()
		isRefused(t, p)
	})

	t.Run("closed while it is silent", func(t *testing.T) {
		t.Parallel()
		p, c, _ := proxied(t)
		p.Set(fault.Silence)
		c.say("one")
		p.Close()
		c.isCut()
	})
}
