package main

import (
	"context"
	"fmt"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/runtime"
	"github.com/fairlead/fairlead/platform/runtime/docker"
)

const (
	postgresImage   = "postgres:17-alpine"
	postgresNetwork = "fairlead-system"
	postgresVolume  = "fairlead-system-postgres"
	postgresPort    = 5432
)

// containerPostgres runs Postgres as a container of the official image, for a host that has no binaries of it.
func (s *installation) containerPostgres(ctx context.Context) (string, error) {
	engine, err := docker.Open(ctx, docker.Options{Installation: s.name})
	if err != nil {
		return "", err
	}
	defer engine.Close()
	password, err := s.config.state.random("postgres-password", 24, 0o600)
	if err != nil {
		return "", err
	}
	labels := map[string]string{
		runtime.LabelManaged: "true", runtime.LabelInstallation: s.name, runtime.LabelRole: runtime.RoleSystem,
		runtime.LabelInstance: "ins_postgres_" + s.name,
	}
	image, err := engine.EnsureImage(ctx, postgresImage)
	if err != nil {
		return "", platform.Errorf(platform.CodeUnavailable, "There is no Postgres: no binaries on this host, and the image %s is not to be had (%v).", postgresImage, err).
			WithHint("Install PostgreSQL (on Debian or Ubuntu: apt-get install postgresql), or set DATABASE_URL.")
	}
	network, volume := postgresNetwork+"-"+s.name, postgresVolume+"-"+s.name
	if err := engine.EnsureNetwork(ctx, network, labels); err != nil {
		return "", err
	}
	if err := engine.EnsureVolume(ctx, volume, labels); err != nil {
		return "", err
	}
	c, err := engine.Start(ctx, runtime.Spec{
		Name: "fairlead-postgres-" + s.name, Image: image, Labels: labels, Network: network, Port: postgresPort,
		Env:    []string{"POSTGRES_USER=fairlead", "POSTGRES_DB=fairlead", "POSTGRES_PASSWORD=" + password},
		Mounts: []runtime.Mount{{Volume: volume, Path: "/var/lib/postgresql/data"}},
	})
	if err != nil {
		return "", fmt.Errorf("start Postgres as a container: %w", err)
	}
	return fmt.Sprintf("postgres://fairlead:%s@%s/fairlead?sslmode=disable", password, c.Address), nil
}
