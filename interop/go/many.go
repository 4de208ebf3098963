package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/gorilla/websocket"
)

const inFlight = 32

// numbered is the message of one number, the same as in interop/many.js.
func numbered(number int) (int, []byte) {
	if number%10 == 9 {
		out := make([]byte, number*7%300)
		for at := range out {
			out[at] = byte(number*31 + at*at*17)
		}
		return websocket.BinaryMessage, out
	}
	side := "buy"
	if number%3 == 0 {
		side = "sell"
	}
	text := fmt.Sprintf(`{"type":"trade","n":%d,"side":"%s","price":%d,"note":"olá"}`, number, side, number*7919%100_000)
	if number%100 == 50 {
		text = strings.Repeat(text, 1+number%7*20)
	}
	return websocket.TextMessage, []byte(text)
}

// many exchanges so many messages with our server, all compressed that gorilla can.
func many(url, ca, count string) error {
	total, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	dialer := websocket.Dialer{EnableCompression: true, TLSClientConfig: &tls.Config{RootCAs: roots}}
	connection, response, err := dialer.Dial(url, nil)
	if err != nil {
		return err
	}
	defer connection.Close()
	sent := 0
	for received := 0; received < total; received++ {
		for ; sent < total && sent-received < inFlight; sent++ {
			kind, payload := numbered(sent)
			if err := connection.WriteMessage(kind, payload); err != nil {
				return err
			}
		}
		kind, payload, err := connection.ReadMessage()
		if err != nil {
			return err
		}
		wantedKind, wanted := numbered(received)
		if kind != wantedKind || !bytes.Equal(payload, wanted) {
			return fmt.Errorf("message %d came back otherwise", received)
		}
	}
	normal := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if err := connection.WriteMessage(websocket.CloseMessage, normal); err != nil {
		return err
	}
	if _, _, err := connection.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		return err
	}
	say(map[string]any{"extensions": response.Header.Get("Sec-WebSocket-Extensions"), "messages": total})
	return nil
}
