// Prints sender, recipients, subject and attachments of each mail in the topic, one line of JSON a mail.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // Character sets beside UTF-8.
	"github.com/emersion/go-message/mail"
	"github.com/twmb/franz-go/pkg/kgo"
)

type attachment struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Size int64  `json:"size"`
}

type facts struct {
	Sender      string       `json:"sender"` // Empty for a bounce.
	Recipients  []string     `json:"recipients"`
	Subject     *string      `json:"subject"` // Nil if there is none.
	Attachments []attachment `json:"attachments"`
}

// messageOf gives the whole message: the record's value, or the object that it refers to.
func messageOf(attributes map[string]string, value []byte) ([]byte, error) {
	address, elsewhere := attributes["ce_dataref"]
	if !elsewhere {
		return value, nil
	}
	if object, err := url.Parse(address); err == nil && object.Scheme == "file" {
		return os.ReadFile(object.Path)
	}
	fmt.Fprintf(os.Stderr, "%s: only the header section is here, the message is at %s\n", attributes["ce_id"], address)
	return value, nil
}

// factsOf makes what is printed of a mail.
func factsOf(attributes map[string]string, value []byte) (found facts, err error) {
	found = facts{Sender: attributes["ce_smtpfrom"], Attachments: []attachment{}}
	if err = json.Unmarshal([]byte(attributes["ce_smtpto"]), &found.Recipients); err != nil {
		return
	}
	text, err := messageOf(attributes, value)
	if err != nil {
		return
	}
	reader, err := mail.CreateReader(bytes.NewReader(text))
	if err != nil && !message.IsUnknownCharset(err) {
		return
	}
	if reader.Header.Has("Subject") {
		subject, _ := reader.Header.Subject()
		found.Subject = &subject
	}
	for {
		part, err := reader.NextPart()
		if err == io.EOF {
			return found, nil
		}
		if err != nil && !message.IsUnknownCharset(err) {
			return found, err
		}
		if header, ok := part.Header.(*mail.AttachmentHeader); ok {
			name, _ := header.Filename()
			kind, _, _ := header.ContentType()
			size, err := io.Copy(io.Discard, part.Body)
			if err != nil {
				return found, err
			}
			found.Attachments = append(found.Attachments, attachment{name, kind, size})
		}
	}
}

// handle prints a record that is a mail; it says on standard error what is none, or cannot be read.
func handle(record *kgo.Record) {
	place := fmt.Sprintf("%s:%d:%d", record.Topic, record.Partition, record.Offset)
	// Attributes that are not used here, and ones of a later version, are simply not looked at.
	attributes := map[string]string{}
	for _, header := range record.Headers {
		attributes[header.Key] = string(header.Value)
	}
	if record.Value == nil || !strings.HasPrefix(attributes["ce_type"], "io.ringpost.mail.") {
		fmt.Fprintf(os.Stderr, "%s: passed over: not a mail of ringpost\n", place)
		return
	}
	found, err := factsOf(attributes, record.Value)
	if err != nil { // The content is a stranger's: one bad mail must not stop all others.
		fmt.Fprintf(os.Stderr, "%s: cannot be read: %v\n", place, err)
		return
	}
	lines := json.NewEncoder(os.Stdout)
	lines.SetEscapeHTML(false)
	if err := lines.Encode(found); err != nil {
		log.Fatal(err)
	}
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(setting("BROKERS", "127.0.0.1:9092"), ",")...),
		kgo.ConsumerGroup(setting("GROUP", "example-go")),
		kgo.ConsumeTopics(setting("TOPIC", "mail")),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		// Partitions stay here until what was read of them is handled and committed.
		kgo.BlockRebalanceOnPoll(),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.CloseAllowingRebalance() // Leaves the group.
	for {
		fetches := client.PollRecords(ctx, 100)
		if ctx.Err() != nil {
			return
		}
		fetches.EachError(func(topic string, partition int32, err error) {
			log.Printf("%s:%d: %v", topic, partition, err)
		})
		fetches.EachRecord(handle)
		// At least once: offsets are committed when their records have been handled.
		if err := client.CommitUncommittedOffsets(ctx); err != nil {
			log.Printf("not committed, so these records come again: %v", err)
		}
		client.AllowRebalance()
	}
}
