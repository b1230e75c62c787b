/* loop_test.c - watches that change themselves, posts from threads, timers. */
#include "rt/loop.h"

#include <unistd.h>

struct fixture {
    struct loop *loop;
    struct loop_watch *watch[2];
    int pipe[2][2];
    unsigned calls, posts;
};

static void fixture_init(struct fixture *f)
{
    *f = (struct fixture){.loop = loop_new(NULL)};
    g_assert_nonnull(f->loop);
    for (int i = 0; i < 2; i++)
        g_assert_cmpint(pipe(f->pipe[i]), ==, 0);
}

static void fixture_fini(struct fixture *f)
{
    loop_free(f->loop);
    for (int i = 0; i < 4; i++)
        close(f->pipe[i / 2][i % 2]);
}

static void remove_both(void *user, int fd, unsigned events)
{
    struct fixture *f = user;

    (void)fd;
    g_assert_cmpuint(events, ==, LOOP_IN);
    f->calls++;
    loop_remove(f->watch[0]);
    loop_remove(f->watch[1]);
}

/* Both are ready in one batch; the first to run removes both: the other is not called any more. */
static void test_remove_in_batch(void)
{
    struct fixture f;

    fixture_init(&f);
    for (int i = 0; i < 2; i++) {
        f.watch[i] = loop_add(f.loop, f.pipe[i][0], LOOP_IN, remove_both, &f, NULL);
        g_assert_cmpint(write(f.pipe[i][1], "x", 1), ==, 1);
    }
    g_assert_cmpint(loop_turn(f.loop, 0), ==, 0);
    g_assert_cmpint(loop_turn(f.loop, 0), ==, 0);
    g_assert_cmpuint(f.calls, ==, 1);
    fixture_fini(&f);
}

static void count_read(void *user, int fd, unsigned events)
{
    struct fixture *f = user;
    char c;

    if (events & LOOP_IN)
        g_assert_cmpint(read(fd, &c, 1), ==, 1);
    f->calls++;
}

static void test_modify(void)
{
    struct fixture f;

    fixture_init(&f);
    f.watch[0] = loop_add(f.loop, f.pipe[0][0], 0, count_read, &f, NULL);
    g_assert_cmpint(write(f.pipe[0][1], "x", 1), ==, 1);
    loop_turn(f.loop, 0);
    g_assert_cmpuint(f.calls, ==, 0);
    g_assert_true(loop_modify(f.watch[0], LOOP_IN));
    loop_turn(f.loop, 0);
    loop_turn(f.loop, 0);
    g_assert_cmpuint(f.calls, ==, 1);
    fixture_fini(&f);
}

static void post_fn(void *user)
{
    struct fixture *f = user;

    if (++f->posts == 4000)
        loop_quit(f->loop);
}

static gpointer poster(gpointer user)
{
    struct fixture *f = user;

    for (int i = 0; i < 1000; i++)
        while (!loop_post(f->loop, post_fn, f))
            g_thread_yield();
    return NULL;
}

static void test_posts(void)
{
    struct fixture f;
    GThread *t[4];

    fixture_init(&f);
    for (int i = 0; i < 4; i++)
        t[i] = g_thread_new("poster", poster, &f);
    g_assert_cmpint(loop_run(f.loop), ==, 0);
    for (int i = 0; i < 4; i++)
        g_thread_join(t[i]);
    g_assert_cmpuint(f.posts, ==, 4000);
    for (unsigned i = 0; i < LOOP_POSTS_MAX; i++)
        g_assert_true(loop_post(f.loop, post_fn, &f));
    g_assert_false(loop_post(f.loop, post_fn, &f));
    fixture_fini(&f);
}

static void timer_fn(void *user)
{
    struct fixture *f = user;

    f->calls++;
}

static void test_timer(void)
{
    struct fixture f;

    fixture_init(&f);
    f.watch[0] = loop_timer_new(f.loop, timer_fn, &f, NULL);
    loop_turn(f.loop, 0);
    g_assert_cmpuint(f.calls, ==, 0);
    loop_timer_at(f.watch[0], 0);
    loop_turn(f.loop, 1000);
    loop_turn(f.loop, 0);
    g_assert_cmpuint(f.calls, ==, 1);
    loop_timer_at(f.watch[0], loop_now_ns() + 1000000);
    loop_timer_at(f.watch[0], UINT64_MAX);
    loop_turn(f.loop, 5);
    g_assert_cmpuint(f.calls, ==, 1);
    fixture_fini(&f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rt/loop/remove-in-batch", test_remove_in_batch);
    g_test_add_func("/rt/loop/modify", test_modify);
    g_test_add_func("/rt/loop/posts", test_posts);
    g_test_add_func("/rt/loop/timer", test_timer);
    return g_test_run();
}
