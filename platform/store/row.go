package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

// encode returns v as JSON that jsonb accepts: Postgres text cannot hold NUL, which hostile input may contain, so its
// escape becomes the replacement character.
func encode(v any) (string, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode %T: %w", v, err)
	}
	if !bytes.Contains(raw, []byte(`\u0000`)) {
		return string(raw), nil
	}
	return replaceNUL(raw), nil
}

// replaceNUL walks escapes pairwise, so that a backslash that is itself escaped is not taken for the beginning of one.
func replaceNUL(raw []byte) string {
	var out strings.Builder
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' || i+1 >= len(raw) {
			out.WriteByte(raw[i])
			continue
		}
		if bytes.HasPrefix(raw[i:], []byte(`\u0000`)) {
			out.WriteString(`\ufffd`)
			i += 5
			continue
		}
		out.Write(raw[i : i+2])
		i++
	}
	return out.String()
}

// Clean returns s as the database will give it back: valid UTF-8 without NUL. What is hashed is cleaned first.
func Clean(s string) string {
	return strings.Map(func(r rune) rune { // each byte that is not UTF-8 comes as the replacement character
		if r == 0 {
			return utf8.RuneError
		}
		return r
	}, s)
}

func (t *Tx) exec(ctx context.Context, sql string, args ...any) (int64, error) {
	tag, err := t.tx.Exec(ctx, sql, args...)
	return tag.RowsAffected(), err
}

// put writes v as the document of a new row.
func (t *Tx) put(ctx context.Context, table string, v any) error {
	doc, err := encode(v)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "INSERT INTO "+table+" (doc) VALUES ($1)", doc)
	return err
}

// replace writes v over the document of the row with that id; missing when there is none.
func (t *Tx) replace(ctx context.Context, table, id string, v any, missing error) error {
	doc, err := encode(v)
	if err != nil {
		return err
	}
	n, err := t.exec(ctx, "UPDATE "+table+" SET doc = $2 WHERE id = $1", id, doc)
	if err == nil && n == 0 {
		return missing
	}
	return err
}

// one reads the single document that sql selects; missing when there is none.
func one[T any](ctx context.Context, t *Tx, missing error, sql string, args ...any) (T, error) {
	var v T
	var raw []byte
	err := t.tx.QueryRow(ctx, sql, args...).Scan(&raw)
	if errors.Is(err, pgx.ErrNoRows) {
		return v, missing
	}
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, fmt.Errorf("decode %T: %w", v, err)
	}
	return v, nil
}

// many reads every document that sql selects; never nil, so that faces show [] and not null.
func many[T any](ctx context.Context, t *Tx, sql string, args ...any) ([]T, error) {
	rows, err := t.tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	out := []T{}
	for rows.Next() {
		var raw []byte
		var v T
		if err := rows.Scan(&raw); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(raw, &v); err != nil {
			return nil, fmt.Errorf("decode %T: %w", v, err)
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// where collects the conditions of a query and their arguments.
type where struct {
	conds []string
	args  []any
}

// and adds a condition; each ? in it stands for the argument.
func (w *where) and(cond string, arg any) {
	w.args = append(w.args, arg)
	w.conds = append(w.conds, strings.ReplaceAll(cond, "?", fmt.Sprintf("$%d", len(w.args))))
}

func (w *where) sql() string {
	if len(w.conds) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conds, " AND ")
}

// first is one for rows that may be missing: nil then.
func first[T any](ctx context.Context, t *Tx, sql string, args ...any) (*T, error) {
	v, err := one[T](ctx, t, pgx.ErrNoRows, sql, args...)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // nil is the answer: there is none
	}
	if err != nil {
		return nil, err
	}
	return &v, nil
}
