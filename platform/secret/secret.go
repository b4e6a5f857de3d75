// Package secret seals values at rest and takes them out of text.
//
// It owns the installation's key file, the sealed form and the redaction of logs and messages. It must not know what
// a value is for or where its sealed form is kept.
package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/fairlead/fairlead/platform"
)

// form begins every sealed value: its version, then the id of the key, then nonce and ciphertext.
const form = "fls1"

// Sealer seals and opens values with XChaCha20-Poly1305. Its methods may be called by many goroutines.
type Sealer struct {
	id  string
	key []byte
}

// New returns a sealer for a key of 32 bytes.
func New(key []byte) (*Sealer, error) {
	if len(key) != chacha20poly1305.KeySize {
		return nil, fmt.Errorf("use a sealing key: it has %d bytes, not %d", len(key), chacha20poly1305.KeySize)
	}
	sum := sha256.Sum256(append([]byte("fairlead key id\x00"), key...))
	return &Sealer{id: hex.EncodeToString(sum[:4]), key: append([]byte(nil), key...)}, nil
}

// Open returns a sealer for the key in the file at path, which it makes with mode 0600 when there is none. A key file
// that others may read is refused. Losing the file means losing every sealed value.
func Open(path string) (*Sealer, error) {
	if err := makeKey(path); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("look at the sealing key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, platform.Errorf(platform.CodeDenied, "The sealing key %s may be read by others.", path).
			WithHint("Run chmod 600 on it, and consider the secrets that it sealed as known.")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the sealing key: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, platform.Errorf(platform.CodeInvalid, "The sealing key %s is not 64 hexadecimal digits.", path).
			WithHint("Bring the file back from a backup.")
	}
	return New(key)
}

// makeKey writes a fresh key unless there is one. The file is complete before it gets its name, and the name is taken
// only if it is free, so that of two servers that start at once both use the same key.
func makeKey(path string) error {
	if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the folder of the sealing key: %w", err)
	}
	draft, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write the sealing key: %w", err)
	}
	defer os.Remove(draft.Name())
	var key [chacha20poly1305.KeySize]byte
	if _, err := rand.Read(key[:]); err != nil {
		return fmt.Errorf("make a sealing key: %w", err)
	}
	_, err = draft.WriteString(hex.EncodeToString(key[:]) + "\n")
	if err := errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return fmt.Errorf("write the sealing key: %w", err)
	}
	if err := os.Link(draft.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("write the sealing key: %w", err)
	}
	return nil
}

// Seal returns the sealed form of value. It opens only with the same place, which says where the value belongs (for
// example slot and variable), so that a sealed value copied elsewhere is refused.
func (s *Sealer) Seal(value, place string) (string, error) {
	aead, err := chacha20poly1305.NewX(s.key)
	if err != nil {
		return "", fmt.Errorf("seal a value: %w", err)
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(value)+aead.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return "", fmt.Errorf("seal a value: %w", err)
	}
	box := aead.Seal(nonce, nonce, []byte(value), []byte(place))
	return form + "." + s.id + "." + base64.RawStdEncoding.EncodeToString(box), nil
}

// Open returns the value of a sealed form. It fails when the form was changed, was sealed with another key, or belongs
// to another place.
func (s *Sealer) Open(sealed, place string) (string, error) {
	version, rest, _ := strings.Cut(sealed, ".")
	id, text, ok := strings.Cut(rest, ".")
	if !ok || version != form {
		return "", errors.New("open a sealed value: it is not in the sealed form")
	}
	if id != s.id {
		return "", platform.Errorf(platform.CodeInternal, "A secret was sealed with the key %s, and this server has %s.", id, s.id).
			WithHint("Bring the key file back from a backup, or set the secret again.")
	}
	box, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return "", fmt.Errorf("open a sealed value: %w", err)
	}
	aead, err := chacha20poly1305.NewX(s.key)
	if err != nil {
		return "", fmt.Errorf("open a sealed value: %w", err)
	}
	if len(box) < aead.NonceSize() {
		return "", errors.New("open a sealed value: it is cut short")
	}
	value, err := aead.Open(nil, box[:aead.NonceSize()], box[aead.NonceSize():], []byte(place))
	if err != nil {
		return "", fmt.Errorf("open a sealed value: %w", err)
	}
	return string(value), nil
}

// IsSealed reports whether text is in the sealed form.
func IsSealed(text string) bool { return strings.HasPrefix(text, form+".") }
