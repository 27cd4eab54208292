/*
 * floor relays TCP by the system calls that sluice makes, and does nothing else:
 * no timer, no limit, no count, no record, no health, no choice of a backend, no
 * urgent byte, no reset carried over. What it costs is what the kernel charges
 * for these calls in this order, so it is the least that sluice could cost.
 *
 *	floor THREADS {LISTEN BACKEND}...        both as ADDRESS:PORT, IPv4
 *
 * Each thread has its own epoll and its own pipes; all wait at the same doors.
 *
 *	door: accept4, epoll_ctl, socket, connect, epoll_ctl
 *	flow: splice into an empty pipe, splice out of it; until EAGAIN, or until
 *	      fewer bytes came than the pipe has slots, which proves the source empty
 *	end:  splice says 0; shutdown the other side, or close both if that is done
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	EVENTS = 128,
	FILLS = 1, /* of a flow in a turn */
	SHORT = 64 << 10,
	LONG = 1 << 20,
	SLOTS = LONG / 4096,
	FEW = SLOTS << 10, /* bytes; a fill of less has very probably taken all */
	DOORS = 16,
	THREADS = 64,
	FIRST_LOOK = 2, /* ms; where doubts are left the sleep comes in two parts */
	ASK_AFTER = 1000000, /* ns; a doubt is settled by then, also when there is more to do */
};

struct pipe {
	int r, w;
	struct pipe *next;
};

struct flow {
	struct pipe *pipe; /* only while it holds bytes */
	int pending;
	char readable, writable, full, final, doubted, done;
};

struct conn {
	int fd[2];	     /* the client's, the backend's */
	struct flow flow[2]; /* up, down: flow i goes from fd[i] to fd[!i] */
	char out[2];	     /* registered for EPOLLOUT */
	char wrote, no_delay, connected, closed, ready, listed;
	long moved; /* ns, when bytes last did */
	struct conn *next; /* of those that are free, or closed in this turn */
};

struct door {
	int fd;
	struct sockaddr_in backend;
};

static struct door doors[DOORS];
static int door_count, thread_count;

struct thread {
	int id, ep, mail;
	_Alignas(128) atomic_int load;
	atomic_int resting;
	_Alignas(128) struct pipe *pipes;
	struct conn *free, *dead;
	struct conn **ready, **doubts; /* as many as there may be conns */
	int ready_count, doubt_count, room;
	unsigned random;
	long now, asked; /* ns: of this turn; when doubts were last looked through */
};

static struct thread threads[THREADS];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void *need(void *p)
{
	if (!p)
		die("memory");
	return p;
}

static struct pipe *take_pipe(struct thread *t)
{
	struct pipe *p = t->pipes;
	int fd[2];
	if (p) {
		t->pipes = p->next;
		return p;
	}
	if (pipe2(fd, O_NONBLOCK | O_CLOEXEC))
		die("pipe2");
	fcntl(fd[1], F_SETPIPE_SZ, LONG);
	p = need(malloc(sizeof *p));
	p->r = fd[0];
	p->w = fd[1];
	return p;
}

static void give_pipe(struct thread *t, struct flow *f)
{
	f->pipe->next = t->pipes;
	t->pipes = f->pipe;
	f->pipe = NULL;
}

static void put(struct thread *t, struct conn ***list, int *count, struct conn *c)
{
	if (*count == t->room) {
		t->room *= 2;
		t->ready = need(realloc(t->ready, t->room * sizeof c));
		t->doubts = need(realloc(t->doubts, t->room * sizeof c));
	}
	(*list)[(*count)++] = c;
}

static void watch_doors(struct thread *t, int op)
{
	for (int i = 0; i < door_count; i++) {
		struct epoll_event e = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = &doors[i]};
		epoll_ctl(t->ep, op, doors[i].fd, &e);
	}
}

/* A thread with clearly more conns than another leaves the doors to it. */
static void rest_after_accept(struct thread *t)
{
	if (thread_count == 1)
		return;
	t->random = t->random * 1103515245 + 12345;
	struct thread *o = &threads[(t->id + 1 + (t->random >> 16) % (thread_count - 1)) % thread_count];
	int mine = atomic_load(&t->load), has = atomic_load(&o->load);
	if (mine > has + 4 + has / 8 && !atomic_load(&o->resting) && !atomic_exchange(&t->resting, 1))
		watch_doors(t, EPOLL_CTL_DEL);
	else if (mine >= has && atomic_exchange(&o->resting, 0))
		eventfd_write(o->mail, 1);
}

static void end_rest(struct thread *t)
{
	int mine = atomic_load(&t->load);
	for (int i = 0; i < thread_count && atomic_load(&t->resting); i++) {
		int has = atomic_load(&threads[i].load);
		if (i != t->id && mine <= has + (4 + has / 8) / 2 && atomic_exchange(&t->resting, 0))
			watch_doors(t, EPOLL_CTL_ADD);
	}
}

static void close_conn(struct thread *t, struct conn *c)
{
	for (int i = 0; i < 2; i++) {
		struct flow *f = &c->flow[i];
		if (f->pipe) { /* with bytes that nobody will get */
			close(f->pipe->r);
			close(f->pipe->w);
			free(f->pipe);
		}
		f->doubted = 0;
	}
	close(c->fd[0]);
	close(c->fd[1]);
	c->closed = 1;
	c->next = t->dead;
	t->dead = c;
	atomic_fetch_sub(&t->load, 1);
	if (atomic_load_explicit(&t->resting, memory_order_relaxed))
		end_rest(t);
}

static void register_side(struct thread *t, struct conn *c, int side, int op, unsigned events)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET | events};
	e.data.u64 = (uintptr_t)c | side;
	epoll_ctl(t->ep, op, c->fd[side], &e);
}

static void accept_one(struct thread *t, struct door *d)
{
	struct sockaddr_in from;
	socklen_t size = sizeof from;
	int fd = accept4(d->fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	struct conn *c = t->free;
	if (c)
		t->free = c->next;
	else
		c = need(malloc(sizeof *c));
	memset(c, 0, sizeof *c);
	c->flow[0].writable = c->flow[1].writable = 1;
	c->fd[0] = fd;
	register_side(t, c, 0, EPOLL_CTL_ADD, 0);
	c->fd[1] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	atomic_fetch_add(&t->load, 1);
	if (c->fd[1] < 0 || (connect(c->fd[1], (struct sockaddr *)&d->backend, sizeof d->backend) && errno != EINPROGRESS)) {
		close_conn(t, c);
		return;
	}
	c->out[1] = 1;
	register_side(t, c, 1, EPOLL_CTL_ADD, EPOLLOUT);
	rest_after_accept(t);
}

enum outcome { WAIT, YIELD, DONE, BROKEN };

static enum outcome fill(struct thread *t, struct conn *c, int i)
{
	struct flow *f = &c->flow[i];
	struct pipe *p = take_pipe(t);
	int want = f->full ? LONG : SHORT;
	ssize_t n = splice(c->fd[i], NULL, p->w, NULL, want, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	f->pipe = p;
	if (n > 0) {
		f->pending = n;
		f->full = n >= SHORT;
		if (!f->final && n < want && n < SLOTS)
			f->readable = 0;
		else if (!f->final && n < want && n < FEW)
			f->readable = 0, f->doubted = 1;
		return WAIT;
	}
	give_pipe(t, f);
	if (n == 0) {
		f->done = 1;
		if (!c->flow[!i].done)
			shutdown(c->fd[!i], SHUT_WR);
		return DONE;
	}
	f->readable = 0;
	return errno == EAGAIN ? WAIT : BROKEN;
}

static enum outcome drain(struct thread *t, struct conn *c, int i)
{
	struct flow *f = &c->flow[i];
	int to = c->fd[!i], on = 1;
	if (i == 0 && c->wrote && !c->no_delay) {
		c->no_delay = 1;
		setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	}
	ssize_t n = splice(f->pipe->r, NULL, to, NULL, f->pending, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n > 0) {
		c->moved = t->now;
		if (i == 0)
			c->wrote = 1;
		if ((f->pending -= n) == 0)
			give_pipe(t, f);
		return WAIT;
	}
	if (errno != EAGAIN)
		return BROKEN;
	f->writable = 0;
	if (!c->out[!i]) {
		c->out[!i] = 1;
		register_side(t, c, !i, EPOLL_CTL_MOD, EPOLLOUT);
	}
	return WAIT;
}

static enum outcome pump(struct thread *t, struct conn *c, int i)
{
	struct flow *f = &c->flow[i];
	for (int fills = FILLS; !f->done;) {
		enum outcome o;
		if (f->pending) {
			if (!f->writable)
				return WAIT;
			o = drain(t, c, i);
		} else {
			if (!f->readable)
				return WAIT;
			if (fills-- == 0)
				return YIELD;
			o = fill(t, c, i);
		}
		if (o == BROKEN)
			return BROKEN;
	}
	return DONE;
}

static void relay(struct thread *t, struct conn *c)
{
	enum outcome up = pump(t, c, 0), down = up == BROKEN ? BROKEN : pump(t, c, 1);
	if (down == BROKEN || (up == DONE && down == DONE)) {
		close_conn(t, c);
		return;
	}
	if ((up == YIELD || down == YIELD) && !c->ready) {
		c->ready = 1;
		put(t, &t->ready, &t->ready_count, c);
	}
	if ((c->flow[0].doubted || c->flow[1].doubted) && !c->listed) {
		c->listed = 1;
		put(t, &t->doubts, &t->doubt_count, c);
	}
}

static void happened(struct thread *t, struct conn *c, int side, unsigned events)
{
	struct flow *from = &c->flow[side], *to = &c->flow[!side];
	if (c->closed)
		return;
	if (events & EPOLLERR) {
		close_conn(t, c);
		return;
	}
	if (events & (EPOLLRDHUP | EPOLLHUP))
		from->final = from->readable = 1;
	else if (events & EPOLLIN)
		from->readable = 1;
	from->doubted &= !from->readable;
	if (events & (EPOLLOUT | EPOLLHUP))
		to->writable = 1;
	if (!c->connected) {
		if (side == 0 || !(events & EPOLLOUT))
			return;
		c->connected = 1;
	}
	relay(t, c);
}

static void run_ready(struct thread *t)
{
	int n = t->ready_count;
	for (int i = 0; i < n; i++) {
		struct conn *c = t->ready[i];
		c->ready = 0;
		if (!c->closed)
			relay(t, c);
	}
	memmove(t->ready, t->ready + n, (t->ready_count - n) * sizeof *t->ready);
	t->ready_count -= n;
}

/* The sources that are probably empty are asked before the thread sleeps, and
   when they have been still for a while. */
static void recheck(struct thread *t, int idle)
{
	int n = t->doubt_count;
	if (n == 0 || (!idle && t->now - t->asked < ASK_AFTER))
		return;
	t->asked = t->now;
	for (int i = 0; i < n; i++) {
		struct conn *c = t->doubts[i];
		c->listed = 0;
		if (c->closed || !(c->flow[0].doubted || c->flow[1].doubted))
			continue;
		if (!idle && t->now - c->moved < ASK_AFTER) {
			c->listed = 1;
			put(t, &t->doubts, &t->doubt_count, c);
			continue;
		}
		for (int k = 0; k < 2; k++)
			if (c->flow[k].doubted)
				c->flow[k].doubted = 0, c->flow[k].readable = 1;
		relay(t, c);
	}
	memmove(t->doubts, t->doubts + n, (t->doubt_count - n) * sizeof *t->doubts);
	t->doubt_count -= n;
}

static void bury(struct thread *t)
{
	for (struct conn **at = &t->dead, *c; (c = *at);) {
		if (c->ready || c->listed) { /* still on a list */
			at = &c->next;
			continue;
		}
		*at = c->next;
		c->next = t->free;
		t->free = c;
	}
}

static void *run(void *arg)
{
	struct thread *t = arg;
	struct epoll_event events[EVENTS];
	struct sched_param batch = {0};
	sched_setscheduler(0, SCHED_BATCH, &batch);
	for (;;) {
		int ms = t->ready_count ? 0 : t->doubt_count ? FIRST_LOOK : -1;
		int n = epoll_pwait(t->ep, events, EVENTS, ms, NULL);
		struct timespec now;
		clock_gettime(CLOCK_MONOTONIC, &now); /* no system call */
		t->now = now.tv_sec * 1000000000L + now.tv_nsec;
		int idle = n == 0 && t->ready_count == 0;
		for (int i = 0; i < n; i++) {
			uintptr_t data = events[i].data.u64;
			if (data >= (uintptr_t)doors && data < (uintptr_t)(doors + DOORS))
				accept_one(t, events[i].data.ptr);
			else if (data == (uintptr_t)t) {
				eventfd_t any;
				eventfd_read(t->mail, &any);
				watch_doors(t, EPOLL_CTL_ADD);
			} else
				happened(t, (struct conn *)(data & ~(uintptr_t)1), data & 1, events[i].events);
		}
		run_ready(t);
		recheck(t, idle);
		if (t->dead)
			bury(t);
	}
	return NULL;
}

static struct sockaddr_in address(char *text)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	char *port = strrchr(text, ':');
	if (!port || (*port = 0, inet_pton(AF_INET, text, &a.sin_addr) != 1)) {
		fprintf(stderr, "%s: not ADDRESS:PORT\n", text);
		exit(2);
	}
	a.sin_port = htons(atoi(port + 1));
	return a;
}

static void open_door(char *where, char *backend)
{
	struct door *d = &doors[door_count++];
	struct sockaddr_in at = address(where);
	int on = 1;
	d->backend = address(backend);
	d->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(d->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* what it accepts inherits this */
	if (bind(d->fd, (struct sockaddr *)&at, sizeof at) || listen(d->fd, 16384))
		die(where);
}

int main(int argc, char **argv)
{
	thread_count = argc > 1 ? atoi(argv[1]) : 0;
	if (thread_count < 1 || thread_count > THREADS || argc < 4 || argc % 2 || argc > 2 + 2 * DOORS) {
		fprintf(stderr, "usage: floor THREADS {LISTEN BACKEND}...\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	for (int i = 2; i < argc; i += 2)
		open_door(argv[i], argv[i + 1]);
	pthread_t id;
	for (int i = 0; i < thread_count; i++) {
		struct thread *t = &threads[i];
		t->id = t->random = i;
		t->room = 1024;
		t->ready = need(malloc(t->room * sizeof *t->ready));
		t->doubts = need(malloc(t->room * sizeof *t->doubts));
		if ((t->ep = epoll_create1(EPOLL_CLOEXEC)) < 0 || (t->mail = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) < 0)
			die("epoll");
		struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.ptr = t};
		epoll_ctl(t->ep, EPOLL_CTL_ADD, t->mail, &e);
		watch_doors(t, EPOLL_CTL_ADD);
	}
	for (int i = 0; i < thread_count; i++)
		if (pthread_create(&id, NULL, run, &threads[i]))
			die("thread");
	pthread_join(id, NULL);
}
