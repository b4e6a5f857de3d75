package client

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

func TestMessages_FollowTheFormat(t *testing.T) {
	t.Parallel()
	s := &stream{}
	var got []message
	err := s.messages(strings.NewReader("retry: 1000\n\n: beat\n\nid:7\nevent: event\ndata: one\ndata: two\r\nother\n\nid: 8\ndata:{}\n\nevent: end\ndata: {}\n\ndata: late\n\n"),
		func(m message) error { got = append(got, m); return nil })
	require.NoError(t, err)
	require.Equal(t, []message{{id: "7", name: "event", data: []byte("one\ntwo")}, {id: "8", data: []byte("{}")}}, got)
	require.Equal(t, "8", s.last)

	err = s.messages(strings.NewReader("event: error\ndata: {\"code\":\"denied\",\"detail\":\"No.\"}\n\n"), nil)
	require.Equal(t, &platform.Error{Code: platform.CodeDenied, Message: "No."}, err)
	var b broken
	require.ErrorAs(t, s.messages(strings.NewReader("data: x"), nil), &b)
}

func FuzzMessages(f *testing.F) {
	f.Add("id: 1\nevent: event\ndata: {}\n\n")
	f.Add("event: error\ndata: {\n\n")
	f.Add("\n\n\n:\ndata")
	f.Fuzz(func(t *testing.T, body string) {
		s := &stream{}
		err := s.messages(strings.NewReader(body), func(m message) error {
			require.NotNil(t, m.data)
			return nil
		})
		var b broken
		var e *platform.Error
		require.True(t, err == nil || errors.As(err, &b) || errors.As(err, &e))
	})
}
