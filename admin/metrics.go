package admin

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"sluice/control"
	"sluice/proxy"
	"sluice/state"
)

// metrics makes a scrape's numbers when it is asked: from what the workers
// count anyway, from the tallies, from the state, and from one question to each
// worker.
type metrics struct {
	server  *Server
	tallies *Tallies
	others  prometheus.Gatherer // the process, Go
	handler http.Handler

	mu     sync.Mutex
	labels labelled
}

func newMetrics(s *Server, t *Tallies) *metrics {
	r := prometheus.NewRegistry()
	m := &metrics{server: s, tallies: t, others: r, labels: make(labelled)}
	r.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewGoCollector())
	m.handler = promhttp.HandlerFor(m, promhttp.HandlerOpts{MaxRequestsInFlight: 2, EnableOpenMetrics: true, DisableCompression: true})
	return m
}

func (s *Server) metrics(w http.ResponseWriter, q *http.Request) error {
	s.meter.handler.ServeHTTP(w, q)
	return nil
}

// desc describes a metric. All of them are in theMetrics, which the
// documentation is held against.
func desc(name, help string, labels ...string) *described {
	d := &described{"sluice_" + name, help, labels, strings.Join(labels, "\x00") + "\x00"}
	theMetrics = append(theMetrics, d)
	return d
}

type described struct {
	name, help string
	labels     []string
	labelKey   string // of them all
}

var theMetrics []*described

var (
	mBuild       = desc("build_info", "The version that runs; always 1.", "version", "commit", "go")
	mStart       = desc("start_time_seconds", "When the process started, in seconds since 1970.")
	mReady       = desc("ready", "1 if new clients may be sent here.")
	mConns       = desc("connections", "Connections now.")
	mMost        = desc("connections_max", "How many connections there may be at once.")
	mAccepted    = desc("connections_accepted_total", "Connections that were accepted.")
	mClosed      = desc("connections_closed_total", "Connections that have ended, by cause.", "reason")
	mBytes       = desc("relayed_bytes_total", "Bytes that were delivered: up to backends, down to clients.", "direction")
	mRetries     = desc("retries_total", "Other backends that were tried after a failed connect.")
	mConnectFail = desc("connect_failures_total", "Connects to backends that failed, each try counted.")
	mAcceptFail  = desc("accept_failures_total", "Accepts that the kernel refused.")
	mPaused      = desc("listener_pauses_total", "How often a listener stopped accepting at a limit.")
	mNoPipe      = desc("fills_without_pipe_total", "Moves that had to copy for want of a pipe.")
	mRefused     = desc("splice_refused_total", "Connections that were copied since the kernel would not splice them.")
	mUrgent      = desc("urgent_lost_total", "Urgent bytes that the other side could not take.")
	mHeaders     = desc("proxy_headers_total", "PROXY headers that were taken from clients.")
	mTLVs        = desc("proxy_tlvs_dropped_total", "PROXY headers of which a TLV had no room and is not passed on.")
	mNotTLS      = desc("not_tls_total", "Inspected clients that did not begin with a ClientHello.")
	mNoName      = desc("no_sni_total", "ClientHellos without a server name.")
	mMultipath   = desc("multipath_connections_total", "Connections whose client speaks MPTCP.")
	mDropped     = desc("records_dropped_total", "Records of connections that were lost since they ended too fast.")
	mLogLost     = desc("log_lines_lost_total", "Log lines that could not be written.")
	mPipes       = desc("pipes", "Pipes, by state.", "state")
	mWorkerConns = desc("worker_connections", "Connections of a worker.", "worker")
	mWorkerCPU   = desc("worker_cpu_seconds_total", "CPU time of a worker's thread.", "worker")
	mWorkerLag   = desc("worker_lag_seconds", "From a question to the worker's answer, just now.", "worker")
	mHandovers   = desc("handovers_total", "Handovers, by kind and outcome.", "kind", "outcome")

	mListenerConns  = desc("listener_connections", "Connections of a listener now.", "listener")
	mListenerPaused = desc("listener_paused", "1 while it does not accept at a limit.", "listener")
	mForgotten      = desc("listener_sources_forgotten_total", "Sources that were forgotten for want of room while they still owed to their rate.", "listener")
	mUncounted      = desc("listener_sources_uncounted_total", "Connections that were let in without being counted by source, for want of room.", "listener")
	mListenerClosed = desc("listener_connections_closed_total", "Connections of a listener that have ended, by cause.", "listener", "reason")
	mListenerBytes  = desc("listener_relayed_bytes_total", "Bytes that its connections delivered.", "listener", "direction")

	mPoolBackends = desc("pool_backends", "Backends of a pool, by place.", "pool", "place")
	mWaiting      = desc("pool_waiting", "Clients that wait for a backend.", "pool")
	mWaitSources  = desc("pool_waiting_sources", "Sources of which some wait.", "pool")
	mWaits        = desc("pool_waits_total", "Clients that have ever waited for a backend.", "pool")
	mUp           = desc("backend_up", "1 if health says up, 0 if down, 0.5 if nothing is known.", "pool", "backend")
	mServing      = desc("backend_serving", "1 if it gets new connections now.", "pool", "backend")
	mOrdered      = desc("backend_ordered", "1 if an operator has drained it or taken it out.", "pool", "backend")
	mEjected      = desc("backend_ejected", "1 while it is out of its pool since clients' connections to it failed.", "pool", "backend")
	mTransitions  = desc("backend_transitions_total", "How often it became up, down, unknown, ejected or in again.", "pool", "backend", "to")
	mLatency      = desc("backend_latency_seconds", "What least_latency reckons that it takes to answer.", "pool", "backend")
	mWeight       = desc("backend_weight", "Its weight in force.", "pool", "backend")
	mBackendConns = desc("backend_connections", "Connections of a backend now.", "pool", "backend")
	mBackendDone  = desc("backend_connections_closed_total", "Connections of a backend that have ended, by cause.", "pool", "backend", "reason")
	mBackendBytes = desc("backend_relayed_bytes_total", "Bytes that were delivered to a backend and from it.", "pool", "backend", "direction")
	mSpliced      = desc("backend_spliced_bytes_total", "Bytes of connections that have ended, moved by splice.", "pool", "backend")
	mCopied       = desc("backend_copied_bytes_total", "Bytes of connections that have ended, moved by read and write.", "pool", "backend")
	mBackendFail  = desc("backend_connect_failures_total", "Connects to a backend that failed.", "pool", "backend")
	mRTT          = desc("backend_rtt_seconds", "Smoothed round-trip time at the end of a connection, one in 16 asked, with least_latency each.", "pool", "backend")
	mRetransmits  = desc("backend_retransmits_total", "Segments sent more than once, of the connections that were asked.", "pool", "backend")

	mConnect   = desc("connect_seconds", "How long connects to backends took that succeeded.", "pool")
	mFirstByte = desc("first_byte_seconds", "From a connected backend to its first byte.", "pool")
	mQueue     = desc("queue_seconds", "How long clients waited for a backend, those that did.", "pool")
	mDuration  = desc("connection_duration_seconds", "How long connections lasted.", "listener")
)

// Gather implements prometheus.Gatherer.
func (m *metrics) Gather() ([]*dto.MetricFamily, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := emitter{make(map[*described]*dto.MetricFamily), m.labels}
	s := m.server
	// What lives is read before what has ended: a connection that ends in
	// between is then counted twice, and never not at all.
	listeners, backends, _ := s.data.LiveBytes()
	stats := s.data.Stats()
	view := s.store.View()
	lines := s.process.LogLinesLost()
	m.workers(e, &stats)
	m.tallies.mu.Lock()
	m.tallies.logLost(lines)
	m.process(e, &stats, listeners)
	m.listeners(e, listeners)
	m.backends(e, view, backends)
	m.histograms(e)
	m.tallies.mu.Unlock()
	m.tallies.Save()
	m.tallies.forget(time.Now(), func(k backendKey) bool { return view.Backend(k.pool, k.backend) != nil })

	all, err := m.others.Gather()
	all = slices.AppendSeq(all, maps.Values(e.families))
	slices.SortFunc(all, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return all, err
}

func (m *metrics) process(e emitter, t *proxy.Stats, live map[string]proxy.Moved) {
	about := m.server.process.About()
	e.gauge(mBuild, 1, about.Version, about.Commit, about.Go)
	e.gauge(mStart, float64(about.Started.UnixMilli())/1000)
	e.flag(mReady, about.NotReady == "")
	e.gauge(mConns, float64(t.Active))
	e.gauge(mMost, float64(m.server.data.MaxConnections()))
	e.counter(mAccepted, float64(t.Accepted))
	for cause, n := range t.Closed {
		e.counter(mClosed, float64(n), cause.String())
	}
	up, down := t.BytesUp, t.BytesDown
	for _, moved := range live {
		up += moved.Up
		down += moved.Down
	}
	e.counter(mBytes, m.tallies.rising("up", float64(up)), "up")
	e.counter(mBytes, m.tallies.rising("down", float64(down)), "down")
	e.counter(mRetries, float64(t.Retries))
	e.counter(mConnectFail, float64(t.ConnectFails))
	e.counter(mAcceptFail, float64(t.AcceptFails))
	e.counter(mPaused, float64(t.Paused))
	e.counter(mNoPipe, float64(t.PipeFails))
	e.counter(mRefused, float64(t.SpliceRefused))
	e.counter(mUrgent, float64(t.UrgentLost))
	e.counter(mHeaders, float64(t.ProxyHeaders))
	e.counter(mTLVs, float64(t.TLVsDropped))
	e.counter(mNotTLS, float64(t.NotTLS))
	e.counter(mNoName, float64(t.NoName))
	e.counter(mMultipath, float64(t.Multipath))
	e.counter(mDropped, float64(t.Dropped))
	e.counter(mLogLost, float64(m.tallies.linesBefore+m.tallies.lines))
	e.gauge(mPipes, float64(t.PipesInUse), "used")
	e.gauge(mPipes, float64(t.PipesOpen-t.PipesInUse), "free")
	handovers := make(map[[2]string]int)
	for _, h := range m.server.process.History() {
		handovers[[2]string{h.Kind, h.Outcome}]++
	}
	for k, n := range handovers {
		e.counter(mHandovers, float64(n), k[0], k[1])
	}
}

func (m *metrics) workers(e emitter, t *proxy.Stats) {
	for i, n := range t.Workers {
		e.gauge(mWorkerConns, float64(n), strconv.Itoa(i))
	}
	for i, w := range m.server.data.WorkerTimes() {
		e.counter(mWorkerCPU, w.CPU.Seconds(), strconv.Itoa(i))
		e.gauge(mWorkerLag, w.Lag.Seconds(), strconv.Itoa(i))
	}
}

func (m *metrics) listeners(e emitter, live map[string]proxy.Moved) {
	for name, count := range m.server.data.Listening() {
		e.gauge(mListenerConns, float64(count.Active), name)
		e.flag(mListenerPaused, count.Paused, name)
		e.counter(mForgotten, m.tallies.goesOn("forgotten "+name, count.Forgotten), name)
		e.counter(mUncounted, m.tallies.goesOn("uncounted "+name, count.Uncounted), name)
		t := m.tallies.listeners[name]
		if t == nil {
			t = &listenerTally{}
		}
		e.counter(mListenerBytes, m.tallies.rising("lu "+name, float64(t.Up+live[name].Up)), name, "up")
		e.counter(mListenerBytes, m.tallies.rising("ld "+name, float64(t.Down+live[name].Down)), name, "down")
		for cause, n := range t.Closed {
			e.counter(mListenerClosed, float64(n), name, cause.String())
		}
	}
}

func (m *metrics) backends(e emitter, view *state.View, live map[*proxy.Backend]proxy.Moved) {
	table := m.server.data.Table()
	for row := range view.Pools() {
		places := placesIn(table, row.Name)
		if p := poolIn(table, row.Name); p != nil {
			q := p.Waiting()
			e.gauge(mWaiting, float64(q.Now), row.Name)
			e.gauge(mWaitSources, float64(q.Sources), row.Name)
			e.counter(mWaits, m.tallies.goesOn("waits "+row.Name, q.Ever), row.Name)
		}
		var standing [3]int
		for _, st := range control.Standings(view, row.Name) {
			standing[st.Place]++
			m.backend(e, &st, places[st.Backend.Name], live)
		}
		for place, n := range standing {
			e.gauge(mPoolBackends, float64(n), row.Name, control.Place(place).String())
		}
	}
}

// upness is what backend_up shows.
var upness = map[state.Status]float64{state.Up: 1, state.Down: 0, state.Unknown: 0.5}

func (m *metrics) backend(e emitter, st *control.Standing, place *proxy.Backend, live map[*proxy.Backend]proxy.Moved) {
	pool, name := st.Backend.Pool, st.Backend.Name
	key := backendKey{pool, name}
	e.gauge(mUp, upness[st.Status], pool, name)
	e.flag(mServing, st.Place == control.Serves, pool, name)
	e.flag(mOrdered, st.Override != nil && st.Override.Mode != state.Ready, pool, name)
	e.gauge(mWeight, float64(st.Weight), pool, name)
	e.flag(mEjected, st.Ejection != nil, pool, name)
	active, moved := int64(0), proxy.Moved{}
	if place != nil {
		active, moved = place.Load.Active(), live[place]
		if took := m.server.data.Latency(place); took > 0 {
			e.gauge(mLatency, took.Seconds(), pool, name)
		}
	}
	e.gauge(mBackendConns, float64(active), pool, name)
	t := m.tallies.backends[key]
	if t == nil {
		t = &backendTally{}
	}
	e.counter(mBackendBytes, m.tallies.rising("bu "+pool+"\x00"+name, float64(t.Up+moved.Up)), pool, name, "up")
	e.counter(mBackendBytes, m.tallies.rising("bd "+pool+"\x00"+name, float64(t.Down+moved.Down)), pool, name, "down")
	e.counter(mSpliced, float64(t.Spliced), pool, name)
	if t.Copied > 0 {
		e.counter(mCopied, float64(t.Copied), pool, name)
	}
	if n := m.tallies.failed[key]; n > 0 {
		e.counter(mBackendFail, float64(n), pool, name)
	}
	for to, n := range m.tallies.turns[key] {
		e.counter(mTransitions, float64(n), pool, name, to)
	}
	for cause, n := range t.Closed {
		e.counter(mBackendDone, float64(n), pool, name, cause.String())
	}
	if t.Asked > 0 {
		e.sum(mRTT, t.Asked, t.RTT, pool, name)
		e.counter(mRetransmits, float64(t.Retransmits), pool, name)
	}
}

func (m *metrics) histograms(e emitter) {
	for d, of := range map[*described]histograms{mConnect: m.tallies.connect, mFirstByte: m.tallies.firstByte, mQueue: m.tallies.queue} {
		for pool, h := range of {
			e.add(d, h.metric(quick), dto.MetricType_HISTOGRAM, []string{pool})
		}
	}
	for listener, h := range m.tallies.duration {
		e.add(mDuration, h.metric(long), dto.MetricType_HISTOGRAM, []string{listener})
	}
}
