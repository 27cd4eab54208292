package proxy

// divide shares out the descriptors: connections get two each, as many as asked
// for (0: any number) or as there is room for. A twentieth, at least 32 and at
// most 1000, is kept for everything else: the keeper, what each worker holds, pipes with
// bytes in flight, probes, listeners, logs. Of what connections leave, half of
// that reserve excepted, pipes may take all: spare is how many beyond those
// that workers keep.
func divide(descriptors, workers, wanted int) (connections, spare int) {
	own := kept + workers*(2+2*pipesKept)
	reserve := min(max(descriptors/20, 32), 1000)
	reserve = max(reserve, own+reserve/2)
	connections = min((descriptors-reserve)/2, maxConnections)
	if wanted > 0 {
		connections = min(connections, wanted)
	}
	return connections, max(0, descriptors-2*connections-own-reserve/2) / 2
}

// kept is how many descriptors there are for the sake of a crash: the book, the
// page and what else the keeper goes by.
const kept = 8

// maxConnections is where slots would no longer fit into their number.
const maxConnections = 1 << 24
