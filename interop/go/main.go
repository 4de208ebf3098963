// Client and echo server with gorilla/websocket:
//
//	go-peer client SCENARIOS.json
//	go-peer server [-cert FILE -key FILE] [-demand JSON]
//	go-peer many URL CA COUNT
//	go-peer get CA URL
//
// gorilla compresses only without context takeover and with windows of 15 bits, so offers and demands have no effect.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const timeout = 60 * time.Second

type scenario struct {
	URL      string   `json:"url"`
	CA       string   `json:"ca"`
	Messages [][2]any `json:"messages"`
	Reply    *string  `json:"reply"`
	Code     int      `json:"code"`
	Reason   string   `json:"reason"`
}

type record struct {
	Path   string         `json:"path,omitempty"`
	Agreed map[string]any `json:"agreed"`
	Wire   []received     `json:"wire"`
	Close  []any          `json:"close"`
	Error  string         `json:"error,omitempty"`
}

// received is what came over the wire for one message: was RSV1 set, and how many bytes of payload.
type received struct {
	compressed bool
	bytes      uint64
}

func (r received) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{r.compressed, r.bytes})
}

var stdout sync.Mutex

// say prints one line of JSON.
func say(value any) {
	stdout.Lock()
	defer stdout.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(value); err != nil {
		panic(err)
	}
}

// message is the message of one kind and size: text that compresses to about half, or bytes that do not compress.
func message(kind string, size int) (int, []byte) {
	var out bytes.Buffer
	state := uint32(size)
	for out.Len() < size {
		state = state*1664525 + 1013904223
		if kind == "text" {
			fmt.Fprintf(&out, "%08x olá ", state)
		} else {
			out.Write([]byte{byte(state >> 24), byte(state >> 16), byte(state >> 8), byte(state)})
		}
	}
	whole := out.Bytes()[:size]
	if kind == "binary" {
		return websocket.BinaryMessage, whole
	}
	if size > 0 && whole[size-1] == 0xc3 {
		whole[size-1] = '.'
	}
	return websocket.TextMessage, whole
}

// tap reads along behind the HTTP head and notes the data messages that pass.
type tap struct {
	net.Conn
	head     []byte
	headDone bool
	header   []byte
	skip     uint64
	mutex    sync.Mutex
	wire     []received
}

func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.see(b[:n])
	return n, err
}

func (t *tap) see(b []byte) {
	if !t.headDone {
		t.head = append(t.head, b...)
		end := bytes.Index(t.head, []byte("\r\n\r\n"))
		if end < 0 {
			return
		}
		t.headDone = true
		b = t.head[end+4:]
	}
	for len(b) > 0 {
		if t.skip > 0 {
			n := uint64(len(b))
			if n > t.skip {
				n = t.skip
			}
			t.skip -= n
			b = b[n:]
			continue
		}
		t.header = append(t.header, b[0])
		b = b[1:]
		t.frame()
	}
}

// frame takes the header once it has arrived whole.
func (t *tap) frame() {
	if len(t.header) < 2 {
		return
	}
	bytesOfLength := map[byte]int{126: 2, 127: 8}[t.header[1]&0x7f]
	bytesOfMask := int(t.header[1]>>7) * 4
	if len(t.header) < 2+bytesOfLength+bytesOfMask {
		return
	}
	length := uint64(t.header[1] & 0x7f)
	if bytesOfLength > 0 {
		length = 0
		for _, b := range t.header[2 : 2+bytesOfLength] {
			length = length<<8 | uint64(b)
		}
	}
	switch opcode := t.header[0] & 0x0f; {
	case opcode == 0:
		t.wire[len(t.wire)-1].bytes += length
	case opcode < 8:
		t.wire = append(t.wire, received{t.header[0]&0x40 != 0, length})
	}
	t.skip = length
	t.header = t.header[:0]
}

func (t *tap) seen() []received {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return append([]received{}, t.wire...)
}

// agreed is what this implementation compresses with, if `extensions` names permessage-deflate.
func agreed(extensions string) map[string]any {
	if !strings.HasPrefix(extensions, "permessage-deflate") {
		return nil
	}
	return map[string]any{
		"server_no_context_takeover": strings.Contains(extensions, "server_no_context_takeover"),
		"client_no_context_takeover": strings.Contains(extensions, "client_no_context_takeover"),
		"server_max_window_bits":     15,
		"client_max_window_bits":     15,
	}
}

// closeReceived is the peer's Close frame, as the error of a read tells it.
func closeReceived(err error) []any {
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		return []any{closed.Code, closed.Text}
	}
	return nil
}

func run(s scenario) (r record) {
	var tapped *tap
	dialer := websocket.Dialer{EnableCompression: true, HandshakeTimeout: timeout}
	dialer.NetDialContext = func(_ context.Context, network, address string) (net.Conn, error) {
		conn, err := net.DialTimeout(network, address, timeout)
		tapped = &tap{Conn: conn}
		return tapped, err
	}
	if s.CA != "" {
		pem, err := os.ReadFile(s.CA)
		if err != nil {
			return record{Error: err.Error()}
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		config := &tls.Config{RootCAs: roots, NextProtos: []string{"http/1.1"}}
		dialer.NetDialTLSContext = func(_ context.Context, network, address string) (net.Conn, error) {
			conn, err := tls.DialWithDialer(&net.Dialer{Timeout: timeout}, network, address, config)
			tapped = &tap{Conn: conn} // here it sees the bytes inside TLS
			return tapped, err
		}
	}
	conn, response, err := dialer.Dial(s.URL, nil)
	if err != nil {
		return record{Error: err.Error()}
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(timeout))
	conn.SetReadLimit(64 << 20)
	r.Agreed = agreed(response.Header.Get("Sec-WebSocket-Extensions"))
	for _, m := range s.Messages {
		kind, sent := message(m[0].(string), int(m[1].(float64)))
		if err := conn.WriteMessage(kind, sent); err != nil {
			r.Error = err.Error()
			return r
		}
		gotKind, got, err := conn.ReadMessage()
		if err != nil {
			r.Error = err.Error()
			return r
		}
		if s.Reply != nil {
			sent = []byte(*s.Reply)
		}
		if gotKind != kind || !bytes.Equal(got, sent) {
			r.Error = fmt.Sprintf("%v message of %v bytes came back as kind %d, %.80q", m[0], m[1], gotKind, got)
			return r
		}
	}
	if s.Code != 0 {
		frame := websocket.FormatCloseMessage(s.Code, s.Reason)
		conn.WriteControl(websocket.CloseMessage, frame, time.Now().Add(timeout))
	}
	_, _, err = conn.ReadMessage()
	r.Close = closeReceived(err)
	r.Wire = tapped.seen()
	return r
}

func client(path string) error {
	file, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var scenarios []scenario
	if err := json.Unmarshal(file, &scenarios); err != nil {
		return err
	}
	for _, s := range scenarios {
		say(run(s))
	}
	return nil
}

// taps finds the tap of a connection that net/http accepted, by its remote address.
type taps struct {
	net.Listener
	byAddress sync.Map
}

func (l *taps) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	t := &tap{Conn: conn}
	l.byAddress.Store(conn.RemoteAddr().String(), t)
	return t, nil
}

func server(arguments []string) error {
	flags := flag.NewFlagSet("server", flag.ExitOnError)
	cert := flags.String("cert", "", "certificate, PEM")
	key := flags.String("key", "", "its key, PEM")
	flags.String("demand", "{}", "has no effect")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	say(map[string]int{"listening": listener.Addr().(*net.TCPAddr).Port})
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			return err
		}
		// Not http.ServeTLS: the tap has to see the bytes inside TLS.
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}})
	}
	tapped := &taps{Listener: listener}
	upgrader := websocket.Upgrader{EnableCompression: true}
	return http.Serve(tapped, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			say(record{Path: r.URL.RequestURI(), Error: err.Error()})
			return
		}
		defer conn.Close()
		conn.SetReadLimit(64 << 20)
		if r.URL.Path == "/close" {
			code, _ := strconv.Atoi(r.URL.Query().Get("code"))
			frame := websocket.FormatCloseMessage(code, r.URL.Query().Get("reason"))
			conn.WriteControl(websocket.CloseMessage, frame, time.Now().Add(timeout))
		}
		// gorilla answers an offer of permessage-deflate always with both parameters.
		said := record{Path: r.URL.RequestURI()}
		if strings.Contains(r.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate") {
			said.Agreed = agreed("permessage-deflate; server_no_context_takeover; client_no_context_takeover")
		}
		for {
			kind, got, err := conn.ReadMessage()
			if err == nil {
				err = conn.WriteMessage(kind, got)
			}
			if err != nil {
				said.Close = closeReceived(err)
				break
			}
		}
		if t, ok := tapped.byAddress.LoadAndDelete(conn.RemoteAddr().String()); ok {
			said.Wire = t.(*tap).seen()
		}
		say(said)
	}))
}

func main() {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "client":
		err = client(os.Args[2])
	case len(os.Args) >= 2 && os.Args[1] == "server":
		err = server(os.Args[2:])
	case len(os.Args) == 4 && os.Args[1] == "get":
		err = get(os.Args[2], os.Args[3])
	case len(os.Args) == 5 && os.Args[1] == "many":
		err = many(os.Args[2], os.Args[3], os.Args[4])
	default:
		err = errors.New("usage: go-peer client SCENARIOS.json | go-peer server [-cert FILE -key FILE] | go-peer many URL CA COUNT | go-peer get CA URL")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// get gets a URL that the authority in the file ca must vouch for.
func get(ca, url string) error {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := http.Client{
		Timeout:   timeout,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
	}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	return response.Body.Close()
}
