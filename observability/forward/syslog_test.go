package forward

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability"
	"github.com/fairlead/fairlead/observability/spool"
)

func TestSyslog_ALineIsAMessageOfRFC5424(t *testing.T) {
	t.Parallel()
	server := listenSyslog(t, "127.0.0.1:0", nil)
	s, store := openStream(t, Options{Receivers: []Receiver{{Name: "siem", Kind: KindSyslog, URL: address(t, "tcp://"+server.listener.Addr().String())}}})
	l := numbered(0, 1)[0]
	l.Level, l.Message = observability.LevelError, "two\nlines ünïcode"
	l.Fields = map[string]string{"user": `a "b" ]c\`, "bad name=]": "x", "über": "y"}
	require.NoError(t, s.Append(t.Context(), []observability.Line{l}))
	got := server.await(t, 1)[0]
	require.Equal(t, 1*8+3, got.pri)
	require.Equal(t, l.At.Truncate(time.Microsecond), got.at)
	require.Equal(t, "api", got.app)
	require.Equal(t, "ins_1", got.process)
	require.Equal(t, "runtime", got.id)
	require.Equal(t, l.Message, got.msg)
	require.Equal(t, `[fairlead@32473 project="shop" environment="production" service="api" release="3" deploy="dep_1" instance="ins_1" stream="stdout" level="error" seq="0"]`+
		`[fields@32473 bad_name__="x" user="a \"b\" \]c\\" _ber="y"]`, got.data)
	require.Len(t, store.All(), 1)
}

func TestSyslog_TLSChecksTheReceiverAndShowsItsOwnCertificate(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	server := listenSyslog(t, "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{ca.issue(t, "server")}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, MinVersion: tls.VersionTLS12,
	})
	ca.issue(t, "client")
	other.issue(t, "client")
	receiver := func(name string, files TLS) Receiver {
		return Receiver{Name: name, Kind: KindSyslog, URL: address(t, "tls://"+server.listener.Addr().String()), TLS: files}
	}
	s, _ := openStream(t, Options{Receivers: []Receiver{
		receiver("good", TLS{CA: ca.path("ca.pem"), Certificate: ca.path("client.pem"), Key: ca.path("client.key")}),
		receiver("stranger", TLS{CA: ca.path("ca.pem"), Certificate: other.path("client.pem"), Key: other.path("client.key")}),
		receiver("distrustful", TLS{CA: other.path("ca.pem")}),
	}})
	require.NoError(t, s.Append(t.Context(), numbered(0, 3)))
	require.Eventually(t, func() bool { return len(server.messages()) == 3 }, 20*time.Second, time.Millisecond)
	for name, why := range map[string]string{"stranger": "certificate", "distrustful": "certificate"} {
		require.Eventually(t, func() bool { return s.Stats()[name].State == spool.StateBlocked }, 20*time.Second, time.Millisecond)
		require.Contains(t, s.Stats()[name].Why, why)
		require.Equal(t, uint64(3), s.Stats()[name].Lines, "its lines wait until its files are right")
	}
	require.Equal(t, []string{"line 0", "line 1", "line 2"}, server.messages())
}

func TestSyslog_AReceiverThatGoesAwayGetsEveryLineWhenItIsBack(t *testing.T) {
	t.Parallel()
	server := listenSyslog(t, "127.0.0.1:0", nil)
	at := server.listener.Addr().String()
	s, store := openStream(t, Options{Receivers: []Receiver{{Name: "siem", Kind: KindSyslog, URL: address(t, "tcp://"+at)}}})
	require.NoError(t, s.Append(t.Context(), numbered(0, 100)))
	server.await(t, 100)
	require.Eventually(t, func() bool { return s.Stats()["siem"].State == spool.StateIdle }, 10*time.Second, time.Millisecond)
	server.close()
	for i := 100; i < 2000; i += 100 {
		require.NoError(t, s.Append(t.Context(), numbered(i, i+100)))
	}
	require.Len(t, store.All(), 2000, "the store does not wait for the receiver")
	require.Eventually(t, func() bool { return s.Stats()["siem"].State == spool.StateBlocked }, 10*time.Second, time.Millisecond)
	back := listenSyslog(t, at, nil)
	var want []string
	for i := 100; i < 2000; i++ {
		want = append(want, fmt.Sprintf("line %d", i))
	}
	back.await(t, len(want))
	require.Equal(t, want, back.messages())
}

func FuzzAppendSyslog(f *testing.F) {
	f.Add("api", "ins_1", "a message", "field", "value", int64(0), "host")
	f.Add("", "", "", "", "", int64(1)<<40, "")
	f.Add("a b\n", "ü]", "]\\\"", "=]\"", `\]"`, int64(-1)<<40, "h h")
	f.Fuzz(func(t *testing.T, service, instance, message, name, value string, at int64, host string) {
		l := observability.Line{At: time.Unix(at, 5), Service: service, Instance: instance, Message: message, Fields: map[string]string{name: value}}.Normal()
		got, err := parseSyslog(string(appendSyslog(nil, &l, host)))
		require.NoError(t, err)
		require.Equal(t, l.Message, got.msg)
	})
}
