package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// serveFalseTime is an NTP server that is as wrong as the test wants. The file
// names its addresses, a line each: "127.1.0.11:123 5s"; it is read for every
// packet, so that a clock can be set while it runs. It never returns.
func serveFalseTime(file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(text)) {
		go falseTime(file, strings.Fields(line)[0])
	}
	select {}
}

func falseTime(file, address string) {
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		panic(err)
	}
	var request [512]byte
	for {
		n, from, err := conn.ReadFrom(request[:])
		if err != nil {
			panic(err)
		}
		text, err := os.ReadFile(file)
		if err != nil || n < 48 {
			continue
		}
		for line := range strings.Lines(string(text)) {
			words := strings.Fields(line)
			if off, err := time.ParseDuration(words[1]); err == nil && words[0] == address {
				conn.WriteTo(falseAnswer(request[:n], time.Now().Add(off)), from)
			}
		}
	}
}

// falseAnswer is what a good stratum 1 server says that takes now for the time.
func falseAnswer(request []byte, now time.Time) []byte {
	p := make([]byte, 48)
	p[0], p[1], p[2], p[3] = 4<<3|4, 1, 6, 0xe9
	binary.BigEndian.PutUint32(p[8:], 65) // 1 ms of root dispersion
	copy(p[12:], "GPS\x00")
	copy(p[24:32], request[40:48])
	for at, t := range map[int]time.Time{16: now.Add(-time.Second), 32: now, 40: now} {
		binary.BigEndian.PutUint32(p[at:], uint32(t.Unix()+2208988800))
		binary.BigEndian.PutUint32(p[at+4:], uint32(uint64(t.Nanosecond())<<32/1e9))
	}
	return p
}

// falseTimes writes the file of serveFalseTime at once.
func falseTimes(file string, off map[string]string) error {
	var b strings.Builder
	for address, offset := range off {
		fmt.Fprintln(&b, address, offset)
	}
	if err := os.WriteFile(file+".new", []byte(b.String()), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
