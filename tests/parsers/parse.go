// Reads mails with Go's net/mail: parse FILE..., one line of JSON for each.
package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/mail"
	"os"
	"strings"
)

type reading struct {
	Error    string  `json:"error,omitempty"`
	Received int     `json:"received"`
	Date     int64   `json:"date"`
	Subject  *string `json:"subject"`
	From     *string `json:"from"`
	Body     []byte  `json:"body,omitempty"`
}

func first(header mail.Header, name string) *string {
	if values := header[name]; len(values) > 0 {
		return &values[0]
	}
	return nil
}

func read(octets []byte) (reading, error) {
	message, err := mail.ReadMessage(bytes.NewReader(octets))
	if err != nil {
		return reading{}, err
	}
	body, err := io.ReadAll(message.Body)
	if err != nil {
		return reading{}, err
	}
	found := reading{
		Received: len(message.Header["Received"]),
		Subject:  first(message.Header, "Subject"),
		From:     first(message.Header, "From"),
		Body:     body[:min(len(body), 40)],
	}
	if received := first(message.Header, "Received"); received != nil {
		date, err := mail.ParseDate(strings.TrimSpace((*received)[strings.LastIndex(*received, ";")+1:]))
		if err != nil {
			return found, err
		}
		found.Date = date.Unix()
	}
	return found, nil
}

func main() {
	for _, path := range os.Args[1:] {
		octets, err := os.ReadFile(path)
		if err != nil {
			panic(err)
		}
		found, err := read(octets)
		if err != nil {
			found.Error = err.Error()
		}
		if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
			panic(err)
		}
	}
}
