// The least that a relay of one thread has to do, in C: it reads as much as there is, up to 4 MiB, and
// writes it. What is measured beside it shows what is the kernel's and what is a program's own.
//
//     relay PORT TO      accepts at 127.0.0.1:PORT, leads to 127.0.0.1:TO
//
// It knows nothing of limits, time or faults: nobody should use it for anything else.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  BUFFER = 4 * 1024 * 1024, // bytes of one read: what a send buffer holds at most by default
  EVENTS = 64,
  BACKLOG = 4096,
};

// One side of a connection; what is read from it goes to the other side.
struct leg {
  int fd;
  struct leg *other;
  char *rest;           // a buffer that the other side has not taken all of, or NULL
  size_t rest_at, rest_end;
  bool has_ended;       // its FIN has come
  uint32_t events;      // that the poller watches
  struct leg *next;     // among the dead
};

static int poller;
static struct sockaddr_in target;
static char *spare;      // one buffer serves all reads, unless a side is slow
static struct leg *dead; // a batch of events may still name them

static void die(const char *what) {
  fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
  exit(1);
}

static char *take_buffer(void) {
  char *buffer = spare == NULL ? malloc(BUFFER) : spare;
  spare = NULL;
  if (buffer == NULL) die("memory");
  return buffer;
}

static void give_buffer(char *buffer) {
  if (spare == NULL) spare = buffer;
  else free(buffer);
}

// False if the connection is broken.
static bool write_rest(struct leg *from) {
  while (from->rest_at < from->rest_end) {
    ssize_t count = write(from->other->fd, from->rest + from->rest_at, from->rest_end - from->rest_at);
    if (count < 0) return errno == EAGAIN;
    from->rest_at += count;
  }
  give_buffer(from->rest);
  from->rest = NULL;
  return true;
}

// Passes on what there is, one read of it. False if the connection is broken.
static bool pass(struct leg *from) {
  if (from->rest != NULL) return write_rest(from);
  if (from->has_ended) return true;
  char *buffer = take_buffer();
  ssize_t count = read(from->fd, buffer, BUFFER);
  if (count > 0) {
    from->rest = buffer;
    from->rest_at = 0;
    from->rest_end = count;
    return write_rest(from);
  }
  int error = errno;
  give_buffer(buffer);
  if (count < 0) return error == EAGAIN;
  from->has_ended = true;
  return shutdown(from->other->fd, SHUT_WR) == 0;
}

// Has the poller watch what the leg can go on with.
static void watch(struct leg *leg, int operation) {
  uint32_t events = 0;
  if (leg->rest == NULL && !leg->has_ended) events |= EPOLLIN;
  if (leg->other->rest != NULL) events |= EPOLLOUT;
  if (operation == EPOLL_CTL_MOD && events == leg->events) return;
  leg->events = events;
  struct epoll_event event = {.events = events, .data.ptr = leg};
  if (epoll_ctl(poller, operation, leg->fd, &event) < 0) die("epoll_ctl");
}

static void end(struct leg *leg) {
  close(leg->fd);
  leg->fd = -1;
  if (leg->rest != NULL) give_buffer(leg->rest);
  leg->rest = NULL;
  leg->next = dead;
  dead = leg;
}

static void on_event(struct leg *leg, uint32_t events) {
  struct leg *other = leg->other;
  bool is_whole = true;
  if (events & ~EPOLLOUT) is_whole = pass(leg);
  if (is_whole && (events & EPOLLOUT)) is_whole = pass(other);
  if (is_whole && !(leg->has_ended && other->has_ended)) {
    watch(leg, EPOLL_CTL_MOD);
    watch(other, EPOLL_CTL_MOD);
    return;
  }
  end(leg);
  end(other);
}

static void set_option(int fd, int level, int option) {
  int on = 1;
  if (setsockopt(fd, level, option, &on, sizeof on) < 0) die("setsockopt");
}

static void accept_one(int listener) {
  int near = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
  if (near < 0) return;
  // Loopback answers at once, or refuses.
  int far = socket(AF_INET, SOCK_STREAM, 0);
  if (far < 0 || connect(far, (struct sockaddr *)&target, sizeof target) < 0) die("connect");
  int flags = fcntl(far, F_GETFL);
  if (fcntl(far, F_SETFL, flags | O_NONBLOCK) < 0) die("fcntl");
  struct leg *legs[] = {calloc(1, sizeof(struct leg)), calloc(1, sizeof(struct leg))};
  if (legs[0] == NULL || legs[1] == NULL) die("memory");
  for (int side = 0; side < 2; side += 1) {
    legs[side]->fd = side == 0 ? near : far;
    legs[side]->other = legs[1 - side];
    set_option(legs[side]->fd, IPPROTO_TCP, TCP_NODELAY);
    watch(legs[side], EPOLL_CTL_ADD);
  }
}

static int listen_at(in_port_t port) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (listener < 0) die("socket");
  set_option(listener, SOL_SOCKET, SO_REUSEADDR);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = port};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0) die("bind");
  if (listen(listener, BACKLOG) < 0) die("listen");
  return listener;
}

int main(int count, char **words) {
  if (count != 3) {
    fprintf(stderr, "usage: relay PORT TO\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  target.sin_family = AF_INET;
  target.sin_port = htons(atoi(words[2]));
  target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  poller = epoll_create1(0);
  int listener = listen_at(htons(atoi(words[1])));
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) < 0) die("epoll");
  for (;;) {
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(poller, events, EVENTS, -1);
    for (int at = 0; at < ready; at += 1) {
      struct leg *leg = events[at].data.ptr;
      if (leg == NULL) accept_one(listener);
      else if (leg->fd >= 0) on_event(leg, events[at].events);
    }
    for (struct leg *next; dead != NULL; dead = next) {
      next = dead->next;
      free(dead);
    }
  }
}
