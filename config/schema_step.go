package config

var stepTable = &table{
	inline: true,
	keys: []key{
		{name: "send", is: text("what to send"), def: `""`},
		{name: "send_hex", is: hexadecimal(), def: `""`},
		{name: "expect", is: text("what to expect"), def: `""`},
		{name: "expect_hex", is: hexadecimal(), def: `""`},
		{name: "expect_match", is: pattern(), def: `""`},
	},
	finish: func(r *reader, n *node, v any) { r.step(n, *v.(*Step)) },
}

// step holds a step to one form of what it sends and of what it expects.
func (r *reader) step(n *node, s Step) {
	for _, forms := range [][]string{{"send", "send_hex"}, {"expect", "expect_hex", "expect_match"}} {
		first := ""
		for _, name := range forms {
			given := n.keys[name]
			if text, ok := stringOf(given); !ok || text == "" {
				continue
			}
			if first != "" {
				given.keyFault(&r.faults, "", "stands beside %s, expected one of them", first)
			}
			first = name
		}
	}
	if s == (Step{}) {
		n.keyFault(&r.faults, "", "neither sends nor expects anything")
	}
}

// script gives a check of type send_expect its steps, however they are written.
func (r *reader) script(n *node, h *Health) {
	short := Step{h.Send, h.SendHex, h.Expect, h.ExpectHex, h.ExpectMatch}
	switch {
	case h.Type != "send_expect":
	case len(h.Steps) == 0:
		r.step(n, short)
		h.Steps = []Step{short}
	case short != (Step{}):
		n.keys["steps"].keyFault(&r.faults, "", "stands beside a step that is written without it; expected all of them here")
	}
}
