package secret

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Made-up credentials of the right form. They are put together here so that no scanner takes this file for a leak.
var (
	mixed  = strings.Repeat("a1B2c3D4", 8)
	hex64  = strings.Repeat("0f9e8d7c", 8)
	jwt    = "eyJ" + "hbGciOiJIUzI1NiJ9" + "." + "eyJzdWIiOiIxMjM0In0" + "." + "dBjftJeZ4CVP-mB92K27uhbUJU1p1r"
	pem    = "-----BEGIN " + "RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\nq8Y0/Zk+w==\n-----END " + "RSA PRIVATE KEY-----"
	basic  = base64.StdEncoding.EncodeToString([]byte("ada:hunter2"))
	github = "ghp_" + mixed[:36]
)

func TestRedact_CredentialsByTheirShape(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want string }{
		"openai":              {"OpenAIError: Incorrect API key provided: sk-" + mixed[:48] + ".", "OpenAIError: Incorrect API key provided: [redacted]."},
		"openai project":      {"using sk-proj-" + mixed + "-_x now", "using [redacted] now"},
		"anthropic":           {"x-api-key sk-ant-api03-" + mixed, "x-api-key [redacted]"},
		"openrouter":          {"sk-or-v1-" + hex64, "[redacted]"},
		"hugging face":        {"login with hf_" + mixed[:34], "login with [redacted]"},
		"groq":                {"gsk_" + mixed[:52], "[redacted]"},
		"github fine":         {"github_pat_11ABCDEFG0" + mixed, "[redacted]"},
		"github in remote":    {"fatal: unable to access 'https://" + github + "@github.com/a/b.git/'", "fatal: unable to access 'https://[redacted]@github.com/a/b.git/'"},
		"github app remote":   {"https://x-access-token:" + "ghs_" + mixed[:36] + "@github.com/a/b", "https://x-access-token:[redacted]@github.com/a/b"},
		"gitlab":              {"glpat-" + mixed[:20], "[redacted]"},
		"slack":               {"xoxb-17653672481-19874698323-" + mixed[:24], "[redacted]"},
		"slack hook":          {"POST https://hooks.slack.com/services/T00000000/B00000000/" + mixed[:24] + " 404", "POST https://hooks.slack.com/services/[redacted] 404"},
		"stripe":              {"sk_live_" + mixed[:24] + " whsec_" + mixed[:32], "[redacted] [redacted]"},
		"google":              {"GET /maps?key=AIza" + mixed[:35] + "&x=1", "GET /maps?key=[redacted]&x=1"},
		"aws pair":            {"AWS_ACCESS_KEY_ID=AKIA" + "ABCDEFGHIJKLMNOP AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "AWS_ACCESS_KEY_ID=[redacted] AWS_SECRET_ACCESS_KEY=[redacted]"},
		"aws json":            {`{"AccessKeyId":"ASIAABCDEFGHIJKLMNOP","SecretAccessKey":"wJalrXUtnFEMI/K7"}`, `{"AccessKeyId":"[redacted]","SecretAccessKey":"[redacted]"}`},
		"jwt":                 {"token rejected: " + jwt + " expired", "token rejected: [redacted] expired"},
		"bearer":              {"curl -H 'Authorization: Bearer " + mixed + "' http://x", "curl -H 'Authorization: Bearer [redacted]' http://x"},
		"bearer json":         {`{"headers":{"authorization":"Bearer ` + mixed + `","accept":"*/*"}}`, `{"headers":{"authorization":"Bearer [redacted]","accept":"*/*"}}`},
		"basic":               {"authorization: Basic " + basic + ", host: x", "authorization: Basic [redacted], host: x"},
		"basic alone":         {"sending Basic " + basic, "sending Basic [redacted]"},
		"aws signature":       {"Authorization: AWS4-HMAC-SHA256 Credential=AKIA1/20300101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=" + hex64, "Authorization: AWS4-HMAC-SHA256 [redacted]"},
		"signed url":          {"GET /b/o?X-Amz-Date=20300101T000000Z&X-Amz-Signature=" + hex64 + "&x=1", "GET /b/o?X-Amz-Date=20300101T000000Z&X-Amz-Signature=[redacted]&x=1"},
		"postgres":            {`failed to connect to "postgres://app:p%40ss/w@db:5432/x"`, `failed to connect to "postgres://app:[redacted]@db:5432/x"`},
		"postgres at":         {"postgres://app:p@ss@db:5432/x?sslmode=off", "postgres://app:[redacted]@db:5432/x?sslmode=off"},
		"redis":               {"connecting to redis://:s3cr3t@cache:6379/0", "connecting to redis://:[redacted]@cache:6379/0"},
		"amqp":                {"amqps://user:pw@mq/vh, mongodb+srv://u:pw2@cl.example.com", "amqps://user:[redacted]@mq/vh, mongodb+srv://u:[redacted]@cl.example.com"},
		"mysql driver":        {"open root:tops3cret@tcp(127.0.0.1:3306)/app", "open root:[redacted]@tcp(127.0.0.1:3306)/app"},
		"libpq":               {"host=db user=app password=hunter2 dbname=x", "host=db user=app password=[redacted] dbname=x"},
		"libpq quoted":        {"password='two words' dbname=x", "password='[redacted]' dbname=x"},
		"ado":                 {"Server=db;User Id=sa;Password=Pa55;Database=x", "Server=db;User Id=sa;Password=[redacted];Database=x"},
		"logfmt":              {`level=info api_key="abc def" user=ada`, `level=info api_key="[redacted]" user=ada`},
		"json":                {`{"user":"ada","password":"p\"w","token_type":"bearer"}`, `{"user":"ada","password":"[redacted]","token_type":"bearer"}`},
		"json spaced":         {`{"client_secret": "x1", "n": 2}`, `{"client_secret": "[redacted]", "n": 2}`},
		"json number":         {`{"password":123456,"n":2}`, `{"password":"[redacted]","n":2}`},
		"json in json":        {`{"body":"{\"password\":\"hunter2\",\"a\":1}"}`, `{"body":"{\"password\":\"[redacted]\",\"a\":1}"}`},
		"url":                 {"GET /cb?access_token=abc123&state=x HTTP/1.1", "GET /cb?access_token=[redacted]&state=x HTTP/1.1"},
		"url token":           {"GET /cb?token=" + mixed[:20] + "&state=x", "GET /cb?token=[redacted]&state=x"},
		"python repr":         {"Settings(db_password='hunter2', debug=False)", "Settings(db_password='[redacted]', debug=False)"},
		"python dict":         {"{'api_key': 'abc', 'n': 1}", "{'api_key': '[redacted]', 'n': 1}"},
		"go struct":           {"{Host:db Password:hunter2 Port:5432}", "{Host:db Password:[redacted] Port:5432}"},
		"yaml":                {"password: hunter2", "password: [redacted]"},
		"env":                 {"FAIRLEAD_DB_PASSWORD=x", "FAIRLEAD_DB_PASSWORD=[redacted]"},
		"header dump":         {"X-Api-Key: abc123def", "X-Api-Key: [redacted]"},
		"pem":                 {"a " + pem + " b", "a [redacted] b"},
		"pem in json":         {`{"key":"` + strings.ReplaceAll(pem, "\n", `\n`) + `","n":1}`, `{"key":"[redacted]","n":1}`},
		"pem cut in json":     {`{"key":"-----BEGIN ` + `PRIVATE KEY-----\nMIIabc","n":1}`, `{"key":"[redacted]","n":1}`},
		"encrypted pem":       {"-----BEGIN " + "EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,AB\n\nMII=\n-----END EC " + "PRIVATE KEY-----", "[redacted]"},
		"two in one line":     {"a=postgres://u:p1@h password=p2 " + github, "a=postgres://u:[redacted]@h password=[redacted] [redacted]"},
		"marks stay":          {"password=[redacted:DB] token=[redacted] postgres://u:[redacted]@h", "password=[redacted:DB] token=[redacted] postgres://u:[redacted]@h"},
		"value of one letter": {"PASSWORD=a", "PASSWORD=[redacted]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, Redact(c.in))
			require.Equal(t, c.want, Redact(c.want), "what was redacted stays as it is")
		})
	}
}

// What programs print every day, and no secret: each of these must come out as it went in.
func TestRedact_InnocentTextIsUntouched(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"deployed 4f2a9c1e8b7d6a5f4e3d2c1b0a9f8e7d6c5b4a39 to production",
		"commit=4f2a9c1e8b7d6a5f4e3d2c1b0a9f8e7d6c5b4a39 id=550e8400-e29b-41d4-a716-446655440000",
		"trace_id=0af7651916cd43dd8448eb211c80319c span_id=b7ad6b7169203331",
		"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"pulled ghcr.io/acme/api@sha256:" + hex64,
		"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
		"etag W/\"33a64df551425fcc55e4d42a148795d9f25f89d4\" md5 d41d8cd98f00b204e9800998ecf8427e",
		"integrity sha512-" + base64.StdEncoding.EncodeToString([]byte(mixed)),
		"password_hash=$2b$12$KIXQb8JqE", "PasswordHasher ready", "password reset requested by ada", "password: must be at least 8 characters",
		"Invalid password for user ada", "password authentication failed for user \"app\"", "FATAL:  password authentication failed",
		`{"password":null,"token":"","secret":false}`, "password=*** token=<hidden> secret=${DB_SECRET}", "api_key=$OPENAI_API_KEY",
		"max_tokens=4096 prompt_tokens=12 completion_tokens: 400 total_tokens=412", `{"usage":{"prompt_tokens":12,"completion_tokens":7}}`,
		`{"token":" the","logprob":-0.3}`, "eos_token=</s> pad_token=<pad> unk_token=[UNK]", "bos token id: 1", "token: the, token: a",
		"tokenizer_config.json loaded from sentence-transformers/all-MiniLM-L6-v2", "next_page_token=CAUQAAabc123def456",
		"secret=db-creds mounted at /run/secrets/db", "secretName: api-tls", "created secret db-credentials in namespace shop",
		"bearer authentication is required", "Bearer token missing", `www-authenticate: Bearer realm="api"`, "Basic authentication failed", "basic usage of the api",
		"authorization: denied for user bob", "Authorization header missing", `{"authorization":null}`, "authorization=[redacted]",
		"GET https://example.com:8080/a?b=c@d 200", "http://user@example.com/", "see https://example.com/@ada/x:y", "http://[::1]:8080/", "dial tcp://10.0.0.1:5432: refused",
		"<div class='sk-estimator-doc-link-container sk-text-repr-fallback'>", "task-scheduler-for-disk-usage", "risk-adjusted-return-on-capital-2030",
		"ASIA-PACIFIC region", "AKIA is a prefix", "eyJust.a.word", "the xoxo-girl", "the high ghost asks", "npm_config_registry_fetch_retries=2", "half_precision_enabled=true",
		"PWD=/srv/app OLDPWD=/srv", "pwd: /home/ada", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJbdf ada@host", "Set-Cookie: theme=dark", "image api:v12 digest " + hex64, "passed 12 tests", "compass heading 12",
		"level=info msg=\"request done\" path=/predict status=200 ms=12 user=ada", "/usr/lib/python3.12/secrets.py", "import secrets, tokenize", "x.Token: 5", "key=value",
	} {
		require.Equal(t, text, Redact(text))
	}
}

func TestKeyBlock_KeyWhoseLinesComeOneByOneIsHidden(t *testing.T) {
	t.Parallel()
	lines := func(text string) (out []string) {
		var k KeyBlock
		for line := range strings.SplitSeq(text, "\n") {
			out = append(out, Redact(k.Redact(line)))
		}
		return out
	}
	require.Equal(t, []string{"before", "[redacted]", "[redacted]", "[redacted]", "[redacted]", "after MIIEpAIBAAKCAQEA7"}, lines("before\n"+pem+"\nafter MIIEpAIBAAKCAQEA7"))
	require.Equal(t,
		[]string{"12:00 INFO [redacted]", "12:00 INFO [redacted]", "12:00 INFO [redacted]", "[redacted]", "12:00 INFO done"},
		lines("12:00 INFO -----BEGIN "+"PRIVATE KEY-----\n12:00 INFO "+mixed+"\n12:00 INFO q8Y0/Zk+w==\n12:00 INFO -----END "+"PRIVATE KEY-----\n12:00 INFO done"))
	require.Equal(t, []string{"[redacted]", "", "a word of prose"}, lines("-----BEGIN "+"PRIVATE KEY-----\n\na word of prose"))
}

func FuzzRedact_IsStableAndKeepsJSON(f *testing.F) {
	for _, s := range []string{pem, jwt, "password=x token:'y' postgres://u:p@h", `{"a":"Bearer ` + mixed + `","password":12}`, "Authorization: Basic " + basic, "a:b@tcp(x)", github, `{"token":[1,2],"x":{"secret":{"a":"b"}},"url":"postgres://u:p@h/x","n":1}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once := Redact(text)
		if twice := Redact(once); twice != once {
			t.Fatalf("%q became %q and then %q", text, once, twice)
		}
		if json.Valid([]byte(text)) && !json.Valid([]byte(once)) {
			t.Fatalf("%q became %q, which is no JSON", text, once)
		}
	})
}

// BenchmarkRedact_TwentySecrets is what a line costs: one that holds nothing, one with words that make the scan look
// twice, and one that holds a credential.
func BenchmarkRedact_TwentySecrets(b *testing.B) {
	r := NewRedactor(twentySecrets())
	for name, line := range map[string]string{
		"ordinary":   `{"level":"info","ts":"2030-01-01T00:00:00Z","msg":"request done","path":"/predict","status":200,"ms":12,"user":"ada"}`,
		"suspicious": `level=info msg="used 412 tokens" url=https://example.com/v1/chat password_hash=none basic=true token=the`,
		"credential": `level=info msg="connected" dsn=postgres://app:hunter2@db:5432/shop`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.Redact(line)
			}
		})
	}
}

func twentySecrets() map[string]string {
	out := map[string]string{}
	for i := range 20 {
		out["SECRET_"+string(rune('A'+i))] = mixed[i:i+24] + string(rune('a'+i))
	}
	return out
}
