package store

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/fairlead/fairlead/platform"
)

// cursor says where a page ended. It names its list and its project, so that it fits no other.
type cursor struct {
	List  string `json:"l"`
	Scope string `json:"s"`
	After int64  `json:"a"`
}

func (c cursor) String() string {
	raw, _ := json.Marshal(c)
	return base64.RawURLEncoding.EncodeToString(raw)
}

// readCursor returns the position in text; invalid when it is not a cursor of this list and scope.
func readCursor(text, list, scope string) (int64, error) {
	refused := platform.Errorf(platform.CodeInvalid, "The cursor does not belong to this list.").
		WithHint("Take the cursor from the page before, with the same project and the same list; leave it out for the first page.").
		WithField("cursor")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return 0, refused
	}
	var c cursor
	if err := json.Unmarshal(raw, &c); err != nil || c.List != list || c.Scope != scope || c.After <= 0 {
		return 0, refused
	}
	return c.After, nil
}

func pageLimit(page platform.Page) (int, error) {
	if page.Limit < 0 || page.Limit > platform.MaxPageLimit {
		return 0, platform.Errorf(platform.CodeInvalid, "The limit %d is out of range.", page.Limit).
			WithHint("Ask for 1 to %d; use the cursor for more.", platform.MaxPageLimit).WithField("limit")
	}
	if page.Limit == 0 {
		return platform.DefaultPageLimit, nil
	}
	return page.Limit, nil
}

// listing is one list, newest first.
type listing struct {
	name   string // of the list, for its cursors
	scope  string // project, or whatever else bounds the list
	from   string // table
	column string // document expression; "doc" when empty
	where  where
	page   platform.Page
}

type numbered[T any] struct {
	N   int64 `json:"n"`
	Doc T     `json:"doc"`
}

func list[T any](ctx context.Context, t *Tx, l listing) (platform.List[T], error) {
	limit, err := pageLimit(l.page)
	if err != nil {
		return platform.List[T]{}, err
	}
	if l.page.Cursor != "" {
		after, err := readCursor(l.page.Cursor, l.name, l.scope)
		if err != nil {
			return platform.List[T]{}, err
		}
		l.where.and("n < ?", after)
	}
	if l.column == "" {
		l.column = "doc"
	}
	sql := fmt.Sprintf("SELECT jsonb_build_object('n', n, 'doc', %s) FROM %s%s ORDER BY n DESC LIMIT %s",
		l.column, l.from, l.where.sql(), strconv.Itoa(limit+1))
	rows, err := many[numbered[T]](ctx, t, sql, l.where.args...)
	if err != nil {
		return platform.List[T]{}, err
	}
	out := platform.List[T]{Items: make([]T, 0, len(rows))}
	for i, row := range rows {
		if i == limit {
			out.Next = cursor{List: l.name, Scope: l.scope, After: rows[i-1].N}.String()
			break
		}
		out.Items = append(out.Items, row.Doc)
	}
	return out, nil
}
