package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"

	"github.com/timepool/timepool/resolver"
)

// transfers reads the keys.
func (c *TransferConfig) transfers() (t resolver.Transfers, err error) {
	t.Networks = c.Networks
	named := make(map[string]*resolver.Key)
	for _, k := range c.Keys {
		content, err := os.ReadFile(k.File)
		if err != nil {
			return t, fmt.Errorf("transfer key %s: %w", k.Name, err)
		}
		secret, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(content)))
		if err != nil {
			return t, fmt.Errorf("transfer key %s: %s: wants one secret in base64: %w", k.Name, k.File, err)
		}
		key, err := resolver.NewKey(k.Name, k.Algorithm, secret)
		if err != nil {
			return t, fmt.Errorf("transfer %w", err)
		}
		named[k.Name], t.Keys = key, append(t.Keys, key)
	}
	for _, s := range c.Notify {
		t.Notify = append(t.Notify, resolver.Secondary{Addr: s.To, Key: named[s.Key]})
	}
	return t, nil
}
