package expression

import "slices"

func evalCount(n *Node, s scope) (Value, error) {
	v, err := n.arg(s, 0)
	if err != nil {
		return Value{}, err
	}
	return Int(int64(len(v.elements()))), nil
}

func evalItem(n *Node, s scope) (Value, error) {
	v, err := n.arg(s, 0)
	if err != nil {
		return Value{}, err
	}
	index, err := n.integerArg(s, 1)
	if err != nil || v.IsNull() {
		return Value{}, err
	}
	elements := v.elements()
	if index < 1 || index > int64(len(elements)) {
		e := n.fail(ErrorValue, "there is no item %d, the list has %d", index, len(elements))
		if index < 1 {
			e.Hint = "the first item has index 1"
		} else {
			e.Hint = "guard with IIF(Count(list) >= index, Item(list, index), …)"
		}
		return Value{}, e
	}
	return Text(elements[index-1]), nil
}

func evalRemoveDuplicates(n *Node, s scope) (Value, error) {
	v, err := n.arg(s, 0)
	if err != nil || v.IsNull() {
		return Value{}, err
	}
	elements := v.elements()
	seen := make(map[string]bool, len(elements))
	return listOf(slices.DeleteFunc(slices.Clone(elements), func(e string) bool {
		again := seen[e]
		seen[e] = true
		return again
	})), nil
}
