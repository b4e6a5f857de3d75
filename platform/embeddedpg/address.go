package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// address is how the server is reached: a unix socket, or a port of the loopback interface.
type address struct {
	socketDir string // "" for TCP
	host      string // "" for a unix socket
	port      int
	password  string // for TCP; whoever can open the socket's folder could read the cluster anyway
}

// errGone says that the server ended while it was waited for.
var errGone = errors.New("the server ended before it answered")

func (a address) url(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(role), Path: "/" + database}
	q := url.Values{"sslmode": {"disable"}}
	if a.socketDir != "" {
		q.Set("host", a.socketDir)
		q.Set("port", strconv.Itoa(a.port))
	} else {
		u.User = url.UserPassword(role, a.password)
		u.Host = a.host + ":" + strconv.Itoa(a.port)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// newAddress chooses where a new server listens.
func (p *place) newAddress(ctx context.Context) (address, error) {
	if dir := p.socketDir(); dir != "" {
		return address{socketDir: dir, port: 5432}, nil
	}
	secret, err := p.password()
	if err != nil {
		return address{}, err
	}
	port, err := p.lastPort()
	if err != nil {
		port, err = freePort(ctx)
	}
	return address{host: "127.0.0.1", port: port, password: secret}, err
}

// addressOf is where a running server listens.
func (p *place) addressOf(f pidFile) (address, error) {
	if f.socketDir != "" {
		return address{socketDir: f.socketDir, port: f.port}, nil
	}
	if f.port == 0 {
		// It has not written its address yet; it can only be where this place would put it.
		if dir := p.socketDir(); dir != "" {
			return address{socketDir: dir, port: 5432}, nil
		}
		port, err := p.lastPort()
		if err != nil {
			return address{}, fmt.Errorf("find the port of the starting PostgreSQL: %w", err)
		}
		f.port = port
	}
	secret, err := p.password()
	return address{host: "127.0.0.1", port: f.port, password: secret}, err
}

func (p *place) portFile() string { return filepath.Join(p.dir, "port") }

// lastPort is the port of the last server over TCP, taken again so that its address stays the same.
func (p *place) lastPort() (int, error) {
	text, err := os.ReadFile(p.portFile())
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

func (p *place) rememberPort(a address) error {
	if a.socketDir != "" {
		return nil
	}
	if err := os.WriteFile(p.portFile(), []byte(strconv.Itoa(a.port)+"\n"), 0o600); err != nil {
		return fmt.Errorf("remember the port of the private PostgreSQL: %w", err)
	}
	return nil
}

// untilAnswers waits until a connection succeeds. It returns errGone once gone reports that the server ended, ctx's
// error when that ends first, and the server's own when it answers with anything but "not ready yet".
func untilAnswers(ctx context.Context, a address, gone func() bool) error {
	for {
		err := answers(ctx, a)
		var said *pgconn.PgError
		switch {
		case err == nil:
			return nil
		case gone():
			return errGone
		case errors.As(err, &said) && !notReady(said.Code):
			return fmt.Errorf("connect to the private PostgreSQL: %w", err)
		}
		if stop := pause(ctx, pollEvery); stop != nil {
			return unavailable("The private database did not answer in time: %v.", err).
				WithHint("After a crash it first recovers; wait for it, or look into postgres.log in the state folder.")
		}
	}
}

// notReady holds for cannot_connect_now (starting, recovering, stopping) and for too_many_connections: it does answer.
func notReady(code string) bool { return code == "57P03" || code == "53300" }

// answers makes one connection and one round trip.
func answers(ctx context.Context, a address) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, a.url("postgres"))
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	return conn.Ping(ctx)
}

// createDatabase makes Fairlead's own database unless it is there.
func createDatabase(ctx context.Context, a address) error {
	conn, err := pgx.Connect(ctx, a.url("postgres"))
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	var there bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", database).Scan(&there); err != nil || there {
		return err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{database}.Sanitize())
	return err
}

func closeConn(ctx context.Context, conn *pgx.Conn) {
	_ = conn.Close(context.WithoutCancel(ctx)) // a refused farewell changes nothing
}
