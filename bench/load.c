// A source and a sink that cost next to nothing, so that what is measured is what lies between.
//
// One thread is the target that all proxies lead to; the other plays the applications. The target
// listens on a free port of loopback, which the first line on stdout tells. Then each line on stdin
// is a command, answered by one line of JSON, or two where a window of time begins and ends:
//
//     bulk PORT push|pull|both CONNECTIONS WARM_MS MS      bytes as fast as they go
//     ping PORT SIZE CONNECTIONS WARM_MS MS                a message there and back, again and again
//     dial PORT AT_ONCE WARM_MS MS                         connect, one byte there and back, close
//     hold PORT CONNECTIONS                                opens connections and leaves them idle
//     drop                                                 closes them
//
// An application's first byte says what it wants; the target answers one byte and then does that.
// Linux only: it sinks with MSG_TRUNC, which throws bytes away without copying them.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  PIECE = 256 * 1024,       // bytes of one write
  MESSAGE = 64 * 1024,      // bytes of the longest message
  MAX_FDS = 65536,
  EVENTS = 512,
  DIALS_AT_ONCE = 64,       // while many connections are opened that stay
  DIAL_LIMIT_MS = 30000,    // for all of them together
  REST_LIMIT_MS = 5000,     // for the proxies to let go of what was cut
};

struct conn {
  int fd;
  enum { CLOSED, DIALING, ASKED, READY } state;
  char mode;                // 'd'iscard, 's'ource, 'b'oth, 'e'cho
  _Atomic uint64_t sunk;    // bytes
  uint64_t sunk_before;     // at the beginning of the window
  double began;             // ms: its dial, or its message
  size_t awaited;           // bytes of the message that are still to come back
  size_t unsent;            // bytes of the message that are still to leave
  bool is_stuck;            // its message waits for room
  char *held;               // what the target could not echo at once
  size_t held_at, held_length;
};

static struct conn served[MAX_FDS]; // by descriptor, the target's thread's
static struct conn dialed[MAX_FDS]; // by index, the applications'
static _Atomic int served_count;
static _Atomic uint64_t sunk_up, sunk_down;
static char piece[PIECE], scratch[MESSAGE];
static int poller; // the applications'

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void die(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void say(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  putchar('\n');
  fflush(stdout);
}

static void set_nodelay(int fd) {
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void watch(int epoll, int operation, int fd, uint32_t events, uint64_t data) {
  struct epoll_event event = {.events = events, .data.u64 = data};
  if (epoll_ctl(epoll, operation, fd, &event) < 0) die("epoll_ctl");
}

/** Takes what has arrived and throws it away. Bytes; 0 for an end, -1 for a failure, -2 for nothing. */
static ssize_t sink(int fd) {
  ssize_t n = recv(fd, piece, 1 << 20, MSG_TRUNC);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return -2;
  return n;
}

/** False if the connection is no more. */
static bool pour(int fd) {
  ssize_t n = send(fd, piece, PIECE, MSG_NOSIGNAL);
  return n > 0 || errno == EAGAIN || errno == EINTR;
}

// The target.

static void end_served(struct conn *c) {
  close(c->fd);
  free(c->held);
  c->held = NULL;
  c->state = CLOSED;
  atomic_fetch_sub(&served_count, 1);
}

static bool greet(int epoll, struct conn *c) {
  ssize_t n = recv(c->fd, &c->mode, 1, 0);
  if (n <= 0) return n < 0 && errno == EAGAIN;
  if (send(c->fd, "!", 1, MSG_NOSIGNAL) != 1) return false;
  c->state = READY;
  if (c->mode == 's' || c->mode == 'b') watch(epoll, EPOLL_CTL_MOD, c->fd, EPOLLIN | EPOLLOUT, c->fd);
  return true;
}

static bool echo_held(int epoll, struct conn *c) {
  ssize_t n = send(c->fd, c->held + c->held_at, c->held_length - c->held_at, MSG_NOSIGNAL);
  if (n < 0) return errno == EAGAIN;
  c->held_at += n;
  if (c->held_at < c->held_length) return true;
  free(c->held);
  c->held = NULL;
  watch(epoll, EPOLL_CTL_MOD, c->fd, EPOLLIN, c->fd);
  return true;
}

static bool echo(int epoll, struct conn *c) {
  static char message[MESSAGE];
  ssize_t n = recv(c->fd, message, sizeof message, 0);
  if (n <= 0) return n < 0 && errno == EAGAIN;
  ssize_t sent = send(c->fd, message, n, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) return false;
  if (sent < 0) sent = 0;
  if (sent == n) return true;
  c->held_at = 0;
  c->held_length = n - sent;
  c->held = malloc(c->held_length);
  memcpy(c->held, message + sent, c->held_length);
  watch(epoll, EPOLL_CTL_MOD, c->fd, EPOLLOUT, c->fd);
  return true;
}

static bool attend(int epoll, struct conn *c, uint32_t events) {
  if (c->state == ASKED) return greet(epoll, c);
  if (c->mode == 'e') return c->held == NULL ? echo(epoll, c) : echo_held(epoll, c);
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
    ssize_t n = sink(c->fd);
    if (n == 0 || n == -1) return false;
    if (n > 0) {
      atomic_fetch_add_explicit(&sunk_up, n, memory_order_relaxed);
      atomic_fetch_add_explicit(&c->sunk, n, memory_order_relaxed);
    }
  }
  return !(events & EPOLLOUT) || pour(c->fd);
}

static _Noreturn void *serve(void *argument) {
  int listener = *(int *)argument;
  int epoll = epoll_create1(0);
  watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN, listener);
  struct epoll_event events[EVENTS];
  for (;;) {
    int count = epoll_wait(epoll, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.u64;
      if (fd != listener) {
        struct conn *c = &served[fd];
        if (!attend(epoll, c, events[i].events)) end_served(c);
        continue;
      }
      while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= MAX_FDS) die("too many connections");
        set_nodelay(fd);
        struct conn *c = &served[fd];
        *c = (struct conn){.fd = fd, .state = ASKED};
        atomic_fetch_add(&served_count, 1);
        watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, fd);
      }
      if (errno != EAGAIN && errno != ECONNABORTED) die("accept");
    }
  }
}

// The applications.

static bool dial(int index, int port, char mode) {
  struct conn *c = &dialed[index];
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  set_nodelay(fd);
  *c = (struct conn){.fd = fd, .state = DIALING, .mode = mode, .began = now_ms()};
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) {
    close(fd);
    c->state = CLOSED;
    return false;
  }
  watch(poller, EPOLL_CTL_ADD, fd, EPOLLOUT, index);
  return true;
}

static void hang_up(struct conn *c, bool with_reset) {
  if (c->state == CLOSED) return;
  struct linger none = {.l_onoff = 1, .l_linger = 0};
  if (with_reset) setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  close(c->fd);
  c->state = CLOSED;
}

/** Takes a dialed connection one step further. False if it failed. */
static bool advance(int index) {
  struct conn *c = &dialed[index];
  if (c->state == DIALING) {
    if (send(c->fd, &c->mode, 1, MSG_NOSIGNAL) != 1) return errno == EAGAIN;
    c->state = ASKED;
    watch(poller, EPOLL_CTL_MOD, c->fd, EPOLLIN, index);
    return true;
  }
  char answer;
  ssize_t n = recv(c->fd, &answer, 1, 0);
  if (n < 0 && errno == EAGAIN) return true;
  if (n != 1 || answer != '!') return false;
  c->state = READY;
  return true;
}

static void cut_all(int count) {
  for (int i = 0; i < count; i++) hang_up(&dialed[i], true);
  double limit = now_ms() + REST_LIMIT_MS;
  while (atomic_load(&served_count) > 0 && now_ms() < limit) usleep(2000);
}

/** Opens connections that stay; says what went wrong and closes them all if it cannot. */
static bool open_all(int count, int port, char mode) {
  struct epoll_event events[EVENTS];
  double limit = now_ms() + DIAL_LIMIT_MS;
  int next = 0, ready = 0;
  while (ready < count && now_ms() < limit) {
    for (; next < count && next - ready < DIALS_AT_ONCE; next++) {
      if (!dial(next, port, mode)) goto failed;
    }
    int n = epoll_wait(poller, events, EVENTS, 100);
    for (int i = 0; i < n; i++) {
      int index = events[i].data.u64;
      if (dialed[index].state == READY) continue; // a source has begun
      if (!advance(index)) goto failed;
      if (dialed[index].state == READY) {
        ready += 1;
        // Nothing is read or written before all are there.
        watch(poller, EPOLL_CTL_MOD, dialed[index].fd, 0, index);
      }
    }
  }
  if (ready == count) return true;
failed:
  say("{\"error\":\"connection %d of %d did not come about: %s\"}", ready + 1, count,
      errno ? strerror(errno) : "it took too long");
  cut_all(next);
  return false;
}

static double jain(const struct conn *conns, int size) {
  double sum = 0, squares = 0;
  int count = 0;
  for (int i = 0; i < size; i++) {
    if (conns[i].state != READY) continue;
    double bytes = (double)(atomic_load(&conns[i].sunk) - conns[i].sunk_before);
    sum += bytes;
    squares += bytes * bytes;
    count += 1;
  }
  return squares == 0 ? 0 : sum * sum / (count * squares);
}

static void bulk(int port, const char *way, int count, double warm, double window) {
  bool push = strcmp(way, "pull") != 0, pull = strcmp(way, "push") != 0;
  if (!open_all(count, port, push && pull ? 'b' : push ? 'd' : 's')) return;
  for (int i = 0; i < count; i++) {
    watch(poller, EPOLL_CTL_MOD, dialed[i].fd, EPOLLIN | (push ? EPOLLOUT : 0), i);
  }
  struct epoll_event events[EVENTS];
  double start = now_ms() + warm, end = INFINITY, now;
  uint64_t up = 0, down = 0;
  int broken = 0;
  while ((now = now_ms()) < end) {
    if (end == INFINITY && now >= start) {
      for (int i = 0; i < MAX_FDS; i++) served[i].sunk_before = atomic_load(&served[i].sunk);
      for (int i = 0; i < count; i++) dialed[i].sunk_before = dialed[i].sunk;
      up = atomic_load(&sunk_up);
      down = atomic_load(&sunk_down);
      start = now_ms();
      end = start + window;
      say("{\"begin\":true}");
    }
    int n = epoll_wait(poller, events, EVENTS, 20);
    for (int i = 0; i < n; i++) {
      struct conn *c = &dialed[events[i].data.u64];
      if (c->state != READY) continue;
      bool alive = true;
      if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        ssize_t got = sink(c->fd);
        alive = got > 0 || got == -2;
        if (got > 0) {
          atomic_fetch_add_explicit(&sunk_down, got, memory_order_relaxed);
          atomic_fetch_add_explicit(&c->sunk, got, memory_order_relaxed);
        }
      }
      if (alive && events[i].events & EPOLLOUT) alive = pour(c->fd);
      if (alive) continue;
      broken += 1;
      hang_up(c, true);
    }
  }
  up = atomic_load(&sunk_up) - up;
  down = atomic_load(&sunk_down) - down;
  double fairness = push ? jain(served, MAX_FDS) : jain(dialed, count);
  double ms = now_ms() - start;
  say("{\"up\":%llu,\"down\":%llu,\"ms\":%.3f,\"fairness\":%.4f,\"broken\":%d}", (unsigned long long)up,
      (unsigned long long)down, ms, fairness, broken);
  cut_all(count);
}

// Samples of time.

static float *samples;
static size_t sample_count, sample_room;

static void sample(double ms) {
  if (sample_count == sample_room) {
    sample_room = sample_room == 0 ? 1 << 16 : sample_room * 2;
    samples = realloc(samples, sample_room * sizeof *samples);
    if (samples == NULL) die("memory");
  }
  samples[sample_count++] = ms;
}

static int by_size(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static void say_samples(double ms, int broken) {
  qsort(samples, sample_count, sizeof *samples, by_size);
  double p50 = sample_count ? samples[sample_count / 2] : 0;
  double p99 = sample_count ? samples[sample_count * 99 / 100] : 0;
  say("{\"count\":%zu,\"ms\":%.3f,\"p50\":%.4f,\"p99\":%.4f,\"broken\":%d}", sample_count, ms, p50, p99,
      broken);
}

static bool send_message(struct conn *c, int index) {
  ssize_t n = send(c->fd, scratch, c->unsent, MSG_NOSIGNAL);
  if (n < 0 && errno != EAGAIN) return false;
  if (n > 0) c->unsent -= n;
  if ((c->unsent > 0) == c->is_stuck) return true;
  c->is_stuck = !c->is_stuck;
  watch(poller, EPOLL_CTL_MOD, c->fd, EPOLLIN | (c->is_stuck ? EPOLLOUT : 0), index);
  return true;
}

static void ping(int port, int size, int count, double warm, double window) {
  if (!open_all(count, port, 'e')) return;
  struct epoll_event events[EVENTS];
  double start = now_ms() + warm, end = INFINITY, now = now_ms();
  int broken = 0;
  for (int i = 0; i < count; i++) {
    struct conn *c = &dialed[i];
    watch(poller, EPOLL_CTL_MOD, c->fd, EPOLLIN, i);
    c->awaited = c->unsent = size;
    c->began = now_ms();
    send_message(c, i);
  }
  while (now < end) {
    int n = epoll_wait(poller, events, EVENTS, 20);
    now = now_ms();
    if (end == INFINITY && now >= start) {
      sample_count = 0;
      start = now;
      end = start + window;
      say("{\"begin\":true}");
    }
    for (int i = 0; i < n; i++) {
      int index = events[i].data.u64;
      struct conn *c = &dialed[index];
      if (c->state != READY) continue;
      bool alive = true;
      if (events[i].events & ~EPOLLOUT) {
        static char back[MESSAGE];
        ssize_t got = recv(c->fd, back, sizeof back, 0);
        alive = got > 0 || (got < 0 && errno == EAGAIN);
        if (got > 0) c->awaited -= got;
        if (c->awaited == 0) {
          double at = now_ms();
          sample(at - c->began);
          c->awaited = c->unsent = size;
          c->began = at;
          alive = send_message(c, index);
        }
      } else if (c->unsent > 0) {
        alive = send_message(c, index);
      }
      if (alive) continue;
      broken += 1;
      hang_up(c, true);
    }
  }
  say_samples(now - start, broken);
  cut_all(count);
}

static void dial_again(int port, int at_once, double warm, double window) {
  struct epoll_event events[EVENTS];
  double start = now_ms() + warm, end = INFINITY, now = now_ms();
  int broken = 0;
  for (int i = 0; i < at_once; i++) broken += !dial(i, port, 'e');
  while (now < end) {
    int n = epoll_wait(poller, events, EVENTS, 20);
    now = now_ms();
    if (end == INFINITY && now >= start) {
      sample_count = 0;
      start = now;
      end = start + window;
      say("{\"begin\":true}");
    }
    for (int i = 0; i < n; i++) {
      int index = events[i].data.u64;
      struct conn *c = &dialed[index];
      bool alive = advance(index);
      if (alive && c->state != READY) continue;
      if (alive) sample(now_ms() - c->began);
      else broken += 1;
      hang_up(c, false);
      if (!dial(index, port, 'e')) broken += 1;
    }
    // A slot whose dial failed at once is tried again, but not in a tight loop.
    for (int i = 0; n == 0 && i < at_once; i++) {
      if (dialed[i].state == CLOSED) dial(i, port, 'e');
    }
  }
  say_samples(now - start, broken);
  cut_all(at_once);
}

static int held_count;

static void hold(int port, int count) {
  double start = now_ms();
  if (!open_all(count, port, 'e')) return;
  held_count = count;
  say("{\"held\":%d,\"ms\":%.3f}", count, now_ms() - start);
}

static void drop(void) {
  for (int i = 0; i < held_count; i++) hang_up(&dialed[i], false);
  cut_all(0);
  held_count = 0;
  say("{\"left\":%d}", atomic_load(&served_count));
}

static void raise_limit(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  struct rlimit more = {.rlim_cur = MAX_FDS, .rlim_max = MAX_FDS};
  if (limit.rlim_max < MAX_FDS && setrlimit(RLIMIT_NOFILE, &more) == 0) return;
  limit.rlim_cur = limit.rlim_max < MAX_FDS ? limit.rlim_max : MAX_FDS;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  raise_limit();
  memset(piece, 'x', sizeof piece);
  memset(scratch, 'x', sizeof scratch);
  poller = epoll_create1(0);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in at = {.sin_family = AF_INET};
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof at;
  if (bind(listener, (struct sockaddr *)&at, length) < 0 || listen(listener, 4096) < 0) die("listen");
  getsockname(listener, (struct sockaddr *)&at, &length);
  pthread_t thread;
  if (pthread_create(&thread, NULL, serve, &listener) != 0) die("pthread_create");
  say("{\"port\":%d}", ntohs(at.sin_port));

  char line[256], way[8];
  int port, size, count;
  double warm, window;
  while (fgets(line, sizeof line, stdin) != NULL) {
    errno = 0;
    if (sscanf(line, "bulk %d %7s %d %lf %lf", &port, way, &count, &warm, &window) == 5) {
      bulk(port, way, count, warm, window);
    } else if (sscanf(line, "ping %d %d %d %lf %lf", &port, &size, &count, &warm, &window) == 5 &&
               size <= MESSAGE) {
      ping(port, size, count, warm, window);
    } else if (sscanf(line, "dial %d %d %lf %lf", &port, &count, &warm, &window) == 4) {
      dial_again(port, count, warm, window);
    } else if (sscanf(line, "hold %d %d", &port, &count) == 2) {
      hold(port, count);
    } else if (strcmp(line, "drop\n") == 0) {
      drop();
    } else {
      say("{\"error\":\"a command that is not known\"}");
    }
  }
  return 0;
}
