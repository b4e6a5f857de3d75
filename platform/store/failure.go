package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fairlead/fairlead/platform"
)

// SQLSTATE codes, from appendix A of the Postgres manual.
const (
	stateUniqueViolation = "23505"
	stateSerialization   = "40001"
	stateDeadlock        = "40P01"
	stateTooManyClients  = "53300"
	stateAdminShutdown   = "57P01"
	stateCrashShutdown   = "57P02"
	stateCannotConnect   = "57P03" // starting up or shutting down
	stateIdleTimeout     = "57P05"
	stateReadOnly        = "25006" // failed over to a standby
	classConnection      = "08"
)

func unavailable() error {
	return platform.Errorf(platform.CodeUnavailable, "The database does not answer.").
		WithHint("Traffic to your services is not affected. Nothing was changed; repeat the request when Postgres is back.")
}

// refine turns an error of the driver into one that says what it means; errors of control pass as they are.
func refine(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	var known *platform.Error
	switch {
	case errors.As(err, &known):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", doing, errors.Join(ctx.Err(), err))
	case isDown(err):
		return unavailable()
	case hasState(err, stateUniqueViolation):
		return platform.Errorf(platform.CodeConflict, "Somebody else made the same change at the same moment.").
			WithHint("Read it again and repeat the request if it is still needed.")
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// isDown reports whether err says that Postgres does not answer, rather than that it answered no.
func isDown(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case stateAdminShutdown, stateCrashShutdown, stateCannotConnect, stateIdleTimeout, stateTooManyClients, stateReadOnly:
			return true
		}
		return strings.HasPrefix(pg.Code, classConnection)
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, context.DeadlineExceeded) ||
		pgconn.Timeout(err) || pgconn.SafeToRetry(err) || strings.Contains(err.Error(), "conn closed")
}

func repeatable(err error) bool {
	return hasState(err, stateSerialization) || hasState(err, stateDeadlock)
}

func hasState(err error, code string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == code
}

// clash returns instead when err is a violation of the named unique constraint, else err.
func clash(err error, constraint string, instead error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == stateUniqueViolation && pg.ConstraintName == constraint {
		return instead
	}
	return err
}

func notFound(noun, name string) error {
	return platform.Errorf(platform.CodeNotFound, "There is no %s %q.", noun, platform.Truncate(name, 80))
}
