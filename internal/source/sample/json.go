package sample

import (
	"bufio"
	"encoding/json"
	"io"
	"iter"
	"slices"
)

// WriteJSON writes users and groups as one JSON document,
// {"users":[…],"groups":[…]}, one object a line, in the form that Microsoft
// Graph gives them. The same company gives the same bytes.
func (c *Company) WriteJSON(w io.Writer) error {
	b := bufio.NewWriterSize(w, 64<<10)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	b.WriteString(`{"users":[` + "\n")
	if err := writeItems(b, enc, pointers(c.Users)); err != nil {
		return err
	}
	b.WriteString(`],"groups":[` + "\n")
	if err := writeItems(b, enc, pointers(c.Groups)); err != nil {
		return err
	}
	b.WriteString("]}\n")
	return b.Flush() // a bufio.Writer keeps its first error
}

func writeItems[T any](b *bufio.Writer, enc *json.Encoder, items iter.Seq2[int, *T]) error {
	for i, item := range items {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := enc.Encode(item); err != nil {
			return err
		}
	}
	return nil
}

func pointers[T any](list []T) iter.Seq2[int, *T] {
	return func(yield func(int, *T) bool) {
		for i := range list {
			if !yield(i, &list[i]) {
				return
			}
		}
	}
}

// TroublesOf returns the troubles with that rule ID.
func (c *Company) TroublesOf(id string) []Trouble {
	return slices.DeleteFunc(slices.Clone(c.Troubles), func(t Trouble) bool { return t.ID != id })
}
