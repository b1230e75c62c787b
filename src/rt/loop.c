/*
 * loop.c - epoll, timerfd and eventfd behind one table of watches.
 *
 * Invariant 1: a watch removed while a batch of events is worked off stays allocated, marked dead, until the batch
 * ends: a later event of the batch may still point to it. Invariant 2: one turn handles at most BATCH events and the
 * posts that were there when it began; nobody starves.
 */
#include "rt/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "rt/status.h"

#define BATCH  64
#define NS_SEC UINT64_C(1000000000)

struct loop_watch {
    struct loop *loop;
    struct loop_watch *next, **prev_link; /* in loop->watches or loop->dead */
    int fd;
    bool timer, dead; /* a timer owns its fd */
    loop_fd_fn fd_fn;
    loop_fn timer_fn;
    void *user;
};

struct post {
    loop_fn fn;
    void *user;
};

struct loop {
    int epoll_fd, event_fd;
    struct loop_watch *watches, *dead;
    GMutex lock;    /* of the two below */
    GArray *posted; /* struct post */
    GArray *running;
    gint quit;
};

uint64_t loop_now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_SEC + (uint64_t)ts.tv_nsec;
}

static void fail(GError **error, const char *what)
{
    int err = errno;

    g_set_error(error, STATUS_ERROR, status_from_errno(err), "event loop: %s: %s", what, g_strerror(err));
}

static uint32_t to_epoll(unsigned events)
{
    return ((events & LOOP_IN) ? EPOLLIN : 0u) | ((events & LOOP_OUT) ? EPOLLOUT : 0u);
}

static unsigned from_epoll(uint32_t events)
{
    return ((events & EPOLLIN) ? LOOP_IN : 0u) | ((events & EPOLLOUT) ? LOOP_OUT : 0u) |
           ((events & (EPOLLHUP | EPOLLERR)) ? LOOP_HUP : 0u);
}

struct loop *loop_new(GError **error)
{
    struct loop *l = g_new0(struct loop, 1);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};

    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    g_mutex_init(&l->lock);
    l->posted = g_array_new(FALSE, FALSE, sizeof(struct post));
    l->running = g_array_new(FALSE, FALSE, sizeof(struct post));
    if (l->epoll_fd < 0 || l->event_fd < 0 || epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->event_fd, &ev) != 0) {
        fail(error, "cannot start");
        loop_free(l);
        return NULL;
    }
    return l;
}

static void unlink_watch(struct loop_watch *w)
{
    *w->prev_link = w->next;
    if (w->next)
        w->next->prev_link = w->prev_link;
}

static void link_watch(struct loop_watch **head, struct loop_watch *w)
{
    w->next = *head;
    w->prev_link = head;
    if (w->next)
        w->next->prev_link = &w->next;
    *head = w;
}

static void free_list(struct loop_watch **head)
{
    while (*head) {
        struct loop_watch *w = *head;
        unlink_watch(w);
        g_free(w);
    }
}

void loop_free(struct loop *l)
{
    if (l == NULL)
        return;
    while (l->watches)
        loop_remove(l->watches);
    free_list(&l->dead);
    if (l->event_fd >= 0)
        close(l->event_fd);
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
    g_array_unref(l->posted);
    g_array_unref(l->running);
    g_mutex_clear(&l->lock);
    g_free(l);
}

struct loop_watch *loop_add(struct loop *l, int fd, unsigned events, loop_fd_fn fn, void *user, GError **error)
{
    struct loop_watch *w = g_new0(struct loop_watch, 1);
    struct epoll_event ev = {.events = to_epoll(events), .data.ptr = w};

    *w = (struct loop_watch){.loop = l, .fd = fd, .fd_fn = fn, .user = user};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0) {
        fail(error, "cannot watch a descriptor");
        g_free(w);
        return NULL;
    }
    link_watch(&l->watches, w);
    return w;
}

bool loop_modify(struct loop_watch *w, unsigned events)
{
    struct epoll_event ev = {.events = to_epoll(events), .data.ptr = w};

    return epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_MOD, w->fd, &ev) == 0;
}

void loop_remove(struct loop_watch *w)
{
    if (w == NULL || w->dead)
        return;
    epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    if (w->timer)
        close(w->fd);
    w->dead = true;
    unlink_watch(w);
    link_watch(&w->loop->dead, w); /* inv 1 */
}

struct loop_watch *loop_timer_new(struct loop *l, loop_fn fn, void *user, GError **error)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct loop_watch *w;

    if (fd < 0) {
        fail(error, "cannot make a timer");
        return NULL;
    }
    w = loop_add(l, fd, LOOP_IN, NULL, user, error);
    if (w == NULL) {
        close(fd);
        return NULL;
    }
    w->timer = true;
    w->timer_fn = fn;
    return w;
}

void loop_timer_at(struct loop_watch *timer, uint64_t when_ns)
{
    struct itimerspec its = {0};

    if (when_ns != UINT64_MAX) {
        when_ns = MAX(when_ns, 1u); /* 0 would disarm */
        its.it_value.tv_sec = (time_t)(when_ns / NS_SEC);
        its.it_value.tv_nsec = (long)(when_ns % NS_SEC);
    }
    timerfd_settime(timer->fd, TFD_TIMER_ABSTIME, &its, NULL);
}

static void wake(struct loop *l)
{
    uint64_t one = 1;
    ssize_t n = write(l->event_fd, &one, sizeof(one));

    (void)n; /* EAGAIN: the counter is full, so it is awake already */
}

bool loop_post(struct loop *l, loop_fn fn, void *user)
{
    struct post p = {fn, user};
    bool room;

    g_mutex_lock(&l->lock);
    room = l->posted->len < LOOP_POSTS_MAX;
    if (room)
        g_array_append_val(l->posted, p);
    g_mutex_unlock(&l->lock);
    if (room)
        wake(l);
    return room;
}

static void run_posts(struct loop *l)
{
    uint64_t count;
    ssize_t n = read(l->event_fd, &count, sizeof(count));
    GArray *batch;

    (void)n;
    g_mutex_lock(&l->lock);
    batch = l->posted;
    l->posted = l->running;
    l->running = batch;
    g_mutex_unlock(&l->lock);
    for (guint i = 0; i < batch->len; i++) {
        struct post p = g_array_index(batch, struct post, i);
        p.fn(p.user);
    }
    g_array_set_size(batch, 0);
}

static void dispatch(struct loop_watch *w, unsigned events)
{
    uint64_t count;

    if (w->dead)
        return;
    if (!w->timer)
        w->fd_fn(w->user, w->fd, events);
    else if (read(w->fd, &count, sizeof(count)) == (ssize_t)sizeof(count)) /* else: re-armed since */
        w->timer_fn(w->user);
}

int loop_turn(struct loop *l, int timeout_ms)
{
    struct epoll_event ev[BATCH];
    int n = epoll_wait(l->epoll_fd, ev, BATCH, timeout_ms);

    if (n < 0)
        return errno == EINTR ? 0 : status_from_errno(errno);
    for (int i = 0; i < n; i++) {
        if (ev[i].data.ptr == NULL)
            run_posts(l);
        else
            dispatch(ev[i].data.ptr, from_epoll(ev[i].events));
    }
    free_list(&l->dead);
    return 0;
}

int loop_run(struct loop *l)
{
    int status = 0;

    while (status == 0 && !g_atomic_int_get(&l->quit))
        status = loop_turn(l, -1);
    g_atomic_int_set(&l->quit, 0);
    return status;
}

void loop_quit(struct loop *l)
{
    g_atomic_int_set(&l->quit, 1);
    wake(l);
}
