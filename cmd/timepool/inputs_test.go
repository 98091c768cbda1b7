package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTransferConfig: keys come from files beside the node file; what is wrong
// with them is told by name.
func TestTransferConfig(t *testing.T) {
	for name, c := range map[string]struct{ node, secret, want string }{
		"off":         {"{}", "", ""},
		"good":        {`{keys: {a.b: {file: key}}, networks: [10.0.0.0/8], notify: [{to: "10.0.0.1:53", key: a.b}, {to: "10.0.0.2:53"}]}`, "c2VjcmV0IG9jdGV0cyAxNg==\n", ""},
		"no such key": {`{keys: {a.b: {file: key}}, notify: [{to: "10.0.0.1:53", key: b}]}`, "", `timepool.yaml:2:74: dns.transfer.notify[0].key: no key "b" in keys`},
		"no file":     {`{keys: {a.b: {file: other}}}`, "", "transfer key a.b: open "},
		"no base64":   {`{keys: {a.b: {file: key}}}`, "?", "wants one secret in base64"},
		"short":       {`{keys: {a.b: {file: key}}}`, "c2VjcmV0", "transfer key a.b: the secret has 6 octets, 16 is the least"},
		"md5":         {`{keys: {a.b: {file: key, algorithm: hmac-md5}}}`, "", `"hmac-md5" is not hmac-sha256, hmac-sha384 or hmac-sha512`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, content := range map[string]string{"timepool.yaml": "dns:\n  transfer: " + c.node + "\n", "key": c.secret} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			config, err := loadConfig(filepath.Join(dir, "timepool.yaml"))
			if err == nil {
				transfers, fault := config.DNS.Transfer.transfers()
				err = fault
				if name == "off" && len(transfers.Keys)+len(transfers.Networks)+len(transfers.Notify) > 0 {
					t.Error("transfers without a word of them")
				}
				if name == "good" && (len(transfers.Keys) != 1 || transfers.Notify[0].Key != transfers.Keys[0] || transfers.Notify[1].Key != nil ||
					transfers.Notify[1].Addr != netip.MustParseAddrPort("10.0.0.2:53") || len(transfers.Networks) != 1) {
					t.Errorf("%+v", transfers)
				}
			}
			if err == nil && c.want != "" || err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}
