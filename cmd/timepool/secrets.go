package main

import (
	"crypto/rand"
	"fmt"
	"os"

	"github.com/timepool/timepool/resolver"
)

// readSecrets reads the file of cookie secrets. Without one there is a secret
// that nobody else knows, which is kept as long as the process: current, once
// there is one.
func readSecrets(path string, current []resolver.Secret) ([]resolver.Secret, error) {
	if path == "" {
		if current == nil {
			current = make([]resolver.Secret, 1)
			rand.Read(current[0][:]) // never fails
		}
		return current, nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cookie secrets: %w", err)
	}
	secrets, err := resolver.ParseSecrets(content)
	if err != nil {
		return nil, fmt.Errorf("cookie secrets %s: %w", path, err)
	}
	return secrets, nil
}
