package source

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// Checkout writes the files of a commit into dir, which must exist. Nothing is written outside dir, whatever the commit
// holds; a link that points outside it is refused. Submodules are left empty.
func (r *Repos) Checkout(ctx context.Context, project, sha, dir string) error {
	repo, err := r.repo(project)
	if err != nil {
		return err
	}
	if sha, err = r.Resolve(ctx, project, sha); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open the folder to check out into: %w", err)
	}
	defer root.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	read, write := io.Pipe()
	packed := make(chan error, 1)
	go func() { // ends with git, which ends when it is done, or when the reader is gone
		err := r.run(ctx, call{repo: repo, output: write, args: []string{"archive", "--format=tar", sha}})
		packed <- err
		write.CloseWithError(err)
	}()
	if err = unpack(tar.NewReader(read), root); err == nil {
		_, err = io.Copy(io.Discard, read) // the padding behind the archive's end
	}
	read.CloseWithError(errors.New("the checkout ended"))
	if packErr := <-packed; err == nil {
		err = packErr
	}
	if err != nil {
		return fmt.Errorf("check out %s of %s: %w", platform.ShortSHA(sha), project, err)
	}
	return nil
}

func unpack(files *tar.Reader, root *os.Root) error {
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := unpackOne(files, h, root); err != nil {
			return err
		}
	}
}

func unpackOne(files *tar.Reader, h *tar.Header, root *os.Root) error {
	name := path.Clean(h.Name)
	switch h.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeReg:
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, h.FileInfo().Mode().Perm()&0o755|0o644)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, files)
		return errors.Join(err, f.Close())
	case tar.TypeSymlink:
		target := path.Join(path.Dir(name), h.Linkname)
		if path.IsAbs(h.Linkname) || target == ".." || strings.HasPrefix(target, "../") {
			return platform.Errorf(platform.CodeInvalid, "The link %s points to %q, outside the repository.", name, platform.Truncate(h.Linkname, 200)).
				WithHint("Make the link inside the image, in the Dockerfile, or point it into the repository.")
		}
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		return root.Symlink(h.Linkname, name)
	default:
		return nil // the archive's own comment
	}
}
