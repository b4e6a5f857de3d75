package store

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/fairlead/fairlead/platform"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrationLock is the advisory lock that lets one server at a time migrate: "fairlead" in ASCII.
const migrationLock int64 = 0x666169726c656164

// riverSchema changes when the queue's own tables do, so that MigrationsHash does too.
const riverSchema = "river-0.51"

type migration struct {
	name string
	sql  string
	sum  string
}

// migrations returns every migration in the order of their names, which begin with a number.
func migrations() ([]migration, error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	out := make([]migration, 0, len(names))
	for _, name := range names {
		raw, err := migrationFiles.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read migration %s: %w", name, err)
		}
		sum := sha256.Sum256(raw)
		out = append(out, migration{name: name, sql: string(raw), sum: hex.EncodeToString(sum[:])})
	}
	return out, nil
}

// MigrationsHash names the schema that Open makes.
func MigrationsHash() (string, error) {
	all, err := migrations()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	h.Write([]byte(riverSchema))
	for _, m := range all {
		h.Write([]byte(m.name + m.sum))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// migrate brings the schema up to date. It only goes forward, and one server at a time does it.
func (s *Store) migrate(ctx context.Context) error {
	conn, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", migrationLock); err != nil {
		return err
	}
	defer func() {
		_, _ = conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", migrationLock)
	}()
	if err := s.migrateOwn(ctx, conn); err != nil {
		return err
	}
	queue, err := rivermigrate.New(riverpgxv5.New(s.pool), &rivermigrate.Config{Logger: s.log})
	if err != nil {
		return err
	}
	_, err = queue.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

func (s *Store) migrateOwn(ctx context.Context, conn *pgxpool.Conn) error {
	const ledger = `CREATE TABLE IF NOT EXISTS fairlead_migrations (
		name text PRIMARY KEY, sum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`
	if _, err := conn.Exec(ctx, ledger); err != nil {
		return err
	}
	all, err := migrations()
	if err != nil {
		return err
	}
	applied, err := appliedMigrations(ctx, conn)
	if err != nil {
		return err
	}
	for _, m := range all {
		if err := applyMigration(ctx, conn, m, applied); err != nil {
			return err
		}
		delete(applied, m.name)
	}
	for name := range applied {
		return platform.Errorf(platform.CodeConflict, "The database was migrated by a newer Fairlead (%s).", name).
			WithHint("Start that version or a later one; migrations only go forward.")
	}
	return nil
}

func appliedMigrations(ctx context.Context, conn *pgxpool.Conn) (map[string]string, error) {
	rows, err := conn.Query(ctx, "SELECT name, sum FROM fairlead_migrations")
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	var name, sum string
	_, err = pgx.ForEachRow(rows, []any{&name, &sum}, func() error {
		out[name] = sum
		return nil
	})
	return out, err
}

func applyMigration(ctx context.Context, conn *pgxpool.Conn, m migration, applied map[string]string) error {
	if sum, ok := applied[m.name]; ok {
		if sum != m.sum {
			return platform.Errorf(platform.CodeConflict, "The migration %s was applied with other text than this Fairlead holds.", m.name).
				WithHint("Start the version that applied it, or give this one an empty database.")
		}
		return nil
	}
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, m.sql); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO fairlead_migrations (name, sum) VALUES ($1, $2)", m.name, m.sum)
		return err
	})
	if err != nil {
		return fmt.Errorf("apply %s: %w", m.name, err)
	}
	return nil
}
