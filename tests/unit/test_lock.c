/* Locks: who is refused, what is taken over, and that of many who try at once one succeeds. Other
 * hosts, jobs and moments are made up: an owner is data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "core/base/crc32c.h"
#include "core/base/file.h"
#include "core/base/lock.h"
#include "tests/unit/scene.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { RACERS = 24, ROUNDS = 12, OLD_S = 301 };

struct fixture {
    struct scene scene;
    char dir[128], path[160];
    struct owner me;
};

static int start(void **state)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    *state = &f;
    const int e = scene_open(&f.scene);
    (void)snprintf(f.dir, sizeof f.dir, "%s/run", f.scene.dir);
    (void)snprintf(f.path, sizeof f.path, "%s/lock", f.dir);
    owner_identify(&f.me, "karma train");
    f.me.job[0] = f.me.task[0] = '\0';
    return e;
}

static int stop(void **state)
{
    struct fixture *f = *state;
    return scene_sweep(&f->scene);
}

/* Short waits, so that tests end soon. */
static struct lock_times quick(void)
{
    return (struct lock_times){.renew = 30.0, .stale = 300.0, .watch = 0.6};
}

static enum err try_as(struct lock *l, struct fixture *f, const struct owner *me)
{
    const struct lock_times times = quick();
    heard_forget(&f->scene.log);
    return lock_dir(l, f->dir, me, NULL, &times);
}

/* A lock that `o` holds, renewed `age` seconds ago. */
static void leave(struct fixture *f, const struct owner *o, int age)
{
    char text[OWNER_TEXT_MAX];
    owner_print(text, o);
    assert_int_equal(file_make_dirs(f->dir), ERR_OK);
    assert_int_equal(file_write(f->path, text, strlen(text)), ERR_OK);
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    struct timespec times[2] = {st.st_mtim, st.st_mtim};
    times[0].tv_sec -= age;
    times[1].tv_sec -= age;
    assert_int_equal(utimensat(AT_FDCWD, f->path, times, 0), 0);
}

static struct owner on_another_host(const struct fixture *f)
{
    struct owner o = f->me;
    (void)snprintf(o.host, sizeof o.host, "n17");
    o.machine ^= 1;
    o.pid = 4711;
    o.instance++;
    return o;
}

/* Files whose names begin with "lock". */
static int count_locks(const struct fixture *f)
{
    int n = 0;
    DIR *d = opendir(f->dir);
    for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        n += strncmp(e->d_name, "lock", 4) == 0;
    }
    if (d != NULL) {
        closedir(d);
    }
    return n;
}

static void assert_taken(struct fixture *f, const struct owner *me)
{
    struct lock l;
    assert_int_equal(try_as(&l, f, me), ERR_OK);
    assert_int_equal(lock_confirm(&l), ERR_OK);
    lock_release(&l);
    assert_int_equal(count_locks(f), 0);
}

static void assert_refused(struct fixture *f, const struct owner *me, const char *named)
{
    struct lock l;
    assert_int_equal(try_as(&l, f, me), ERR_BUSY);
    assert_non_null(strstr(f->scene.log.last, f->dir));
    assert_non_null(strstr(f->scene.log.last, named));
    assert_false(l.held);
    lock_release(&l);
    assert_int_equal(count_locks(f), 1);
}

/* ---- one after the other ---- */

static void an_owner_reads_back_as_written(void **state)
{
    struct fixture *f = *state;
    struct owner back;
    char text[OWNER_TEXT_MAX];
    (void)snprintf(f->me.task, sizeof f->me.task, "7");
    owner_print(text, &f->me);
    assert_true(owner_parse(&back, text));
    assert_memory_equal(&back, &f->me, sizeof back);
    for (size_t n = 0; n < strlen(text); n++) { /* a text that was cut off is none */
        char part[OWNER_TEXT_MAX];
        (void)snprintf(part, sizeof part, "%.*s", (int)n, text);
        assert_false(owner_parse(&back, part));
        assert_int_equal(back.pid, 0);
    }
}

/* A letter in front of a number: strtol() would make 0 of it. */
static void an_owner_with_garbage_for_a_number_is_none(void **state)
{
    static const char *const keys[] = {
        "machine: ", "pid: ", "process_start: ", "restarts: ", "instance: "};
    struct fixture *f = *state;
    struct owner back;
    char text[OWNER_TEXT_MAX], bad[OWNER_TEXT_MAX + 1];
    owner_print(text, &f->me);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *number = strstr(text, keys[i]) + strlen(keys[i]);
        (void)snprintf(bad, sizeof bad, "%.*sx%s", (int)(number - text), text, number);
        assert_false(owner_parse(&back, bad));
        assert_int_equal(back.pid, 0);
    }
}

static void a_second_process_is_refused_and_told_by_whom(void **state)
{
    struct fixture *f = *state;
    struct lock l;
    char pid[32];
    assert_int_equal(try_as(&l, f, &f->me), ERR_OK);
    assert_refused(f, &f->me, f->me.host);
    (void)snprintf(pid, sizeof pid, "process %d ", f->me.pid);
    assert_non_null(strstr(f->scene.log.last, pid));
    assert_non_null(strstr(f->scene.log.last, f->me.since));
    assert_non_null(strstr(f->scene.log.last, "karma train"));
    assert_int_equal(lock_confirm(&l), ERR_OK);
    lock_release(&l);
    assert_false(file_exists(f->dir)); /* it was made for the lock, and is empty */
    assert_taken(f, &f->me);
}

static void all_names_of_a_directory_are_one_lock(void **state)
{
    struct fixture *f = *state;
    struct lock l, second;
    char other[3][200];
    const struct lock_times times = quick();
    assert_int_equal(try_as(&l, f, &f->me), ERR_OK);
    (void)snprintf(other[0], sizeof other[0], "%s/", f->dir);
    (void)snprintf(other[1], sizeof other[1], "%s/../run", f->dir);
    (void)snprintf(other[2], sizeof other[2], "%s/link", f->scene.dir);
    assert_int_equal(symlink(f->dir, other[2]), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(lock_dir(&second, other[i], &f->me, NULL, &times), ERR_BUSY);
    }
    lock_release(&l);
}

static void a_file_has_its_lock_beside_it(void **state)
{
    struct fixture *f = *state;
    struct lock l, second;
    char file[200], path[300];
    const struct lock_times times = quick();
    (void)snprintf(file, sizeof file, "%s/new/store", f->dir);
    (void)snprintf(path, sizeof path, "%s.lock", file);
    assert_int_equal(lock_file(&l, file, &f->me, NULL, &times), ERR_OK);
    assert_true(file_exists(path));
    assert_int_equal(lock_file(&second, file, &f->me, NULL, &times), ERR_BUSY);
    assert_int_equal(file_write(file, "x", 1), ERR_OK); /* it comes into being meanwhile */
    assert_int_equal(lock_file(&second, file, &f->me, NULL, &times), ERR_BUSY);
    lock_release(&l);
    assert_false(file_exists(path));
    assert_int_equal(lock_file(&second, file, &f->me, NULL, &times), ERR_OK);
    lock_release(&second);
}

/* ---- above and below ---- */

static void a_file_in_a_locked_directory_is_refused_and_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct lock l, file;
    char path[2][200];
    const struct lock_times times = quick();
    assert_int_equal(try_as(&l, f, &f->me), ERR_OK);
    (void)snprintf(path[0], sizeof path[0], "%s/metrics.csv", f->dir);
    (void)snprintf(path[1], sizeof path[1], "%s/policy/a/store", f->dir);
    for (int i = 0; i < 2; i++) {
        heard_forget(&f->scene.log);
        assert_int_equal(lock_file(&file, path[i], &f->me, "--out FILE", &times), ERR_BUSY);
        assert_false(file.held);
        assert_non_null(strstr(f->scene.log.last, path[i]));
        assert_non_null(strstr(f->scene.log.last, "process "));
        assert_non_null(strstr(f->scene.log.last, f->path));
        assert_non_null(strstr(f->scene.log.last, "--out FILE"));
    }
    (void)snprintf(path[0], sizeof path[0], "%s/policy", f->dir);
    assert_false(file_exists(path[0]));
    assert_int_equal(count_locks(f), 1);
    (void)snprintf(path[0], sizeof path[0], "%s/figure", f->dir);
    assert_int_equal(lock_guest_file(&file, path[0], &f->me, NULL, &times), ERR_OK);
    lock_release(&file);
    lock_release(&l);
}

static void a_directory_with_a_locked_file_is_refused(void **state)
{
    struct fixture *f = *state;
    struct lock l, file;
    char path[200];
    const struct lock_times times = quick();
    (void)snprintf(path, sizeof path, "%s/a/store", f->dir);
    assert_int_equal(lock_file(&file, path, &f->me, NULL, &times), ERR_OK);
    assert_int_equal(try_as(&l, f, &f->me), ERR_BUSY);
    assert_non_null(strstr(f->scene.log.last, "store.lock"));
    lock_release(&file);
    assert_false(file_exists(f->dir)); /* both directories were made for the lock */
    assert_taken(f, &f->me);
}

static void directories_that_were_made_for_a_lock_go_with_it(void **state)
{
    struct fixture *f = *state;
    struct lock l, second;
    char path[3][200];
    const struct lock_times times = quick();
    (void)snprintf(path[0], sizeof path[0], "%s/a/./b//c/", f->dir);
    (void)snprintf(path[1], sizeof path[1], "%s/a", f->dir);
    (void)snprintf(path[2], sizeof path[2], "%s/a/b/c/d/e", f->dir);
    assert_int_equal(file_make_dirs(f->dir), ERR_OK);
    assert_int_equal(lock_dir(&l, path[0], &f->me, NULL, &times), ERR_OK);
    assert_int_equal(lock_dir(&second, path[2], &f->me, NULL, &times), ERR_BUSY);
    (void)snprintf(path[2], sizeof path[2], "%s/a/b/c/d", f->dir);
    assert_false(file_exists(path[2]));
    lock_release(&l);
    assert_false(file_exists(path[1]));
    assert_true(file_exists(f->dir)); /* it was there before */
}

/* ---- takeover: the process is gone ---- */

static void a_process_that_is_gone_owns_nothing(void **state)
{
    struct fixture *f = *state;
    struct owner o = f->me;
    const pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    o.pid = (int)child;
    o.process_start = 0;
    leave(f, &o, 0);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(owner_life(&o, &f->me), OWNER_GONE); /* a zombie */
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_taken(f, &f->me);
}

static void a_number_that_another_process_has_by_now_owns_nothing(void **state)
{
    struct fixture *f = *state;
    struct owner o = f->me;
    assert_true(o.process_start != 0);
    o.process_start--;
    leave(f, &o, 0);
    assert_taken(f, &f->me);
    o.pid = 1; /* lives, and is not ours to signal */
    o.process_start = 0;
    leave(f, &o, 0);
    assert_refused(f, &f->me, "process 1 ");
}

static void a_number_of_another_host_says_nothing(void **state)
{
    struct fixture *f = *state;
    struct owner o = on_another_host(f);
    o.pid = 999999999;
    leave(f, &o, 0);
    assert_refused(f, &f->me, "host n17");
}

/* ---- takeover: requeued ---- */

static struct owner in_job(struct owner o, const char *job, const char *task, int restarts)
{
    (void)snprintf(o.job, sizeof o.job, "%s", job);
    (void)snprintf(o.task, sizeof o.task, "%s", task);
    o.restarts = restarts;
    return o;
}

static void a_requeue_on_another_node_goes_on_at_once(void **state)
{
    struct fixture *f = *state;
    const struct owner old = in_job(on_another_host(f), "90210", "3", 0);
    const struct owner again = in_job(f->me, "90210", "3", 1);
    leave(f, &old, 0);
    assert_taken(f, &again);
    assert_non_null(strstr(f->scene.log.text, "Slurm job 90210, array task 3"));
}

static void other_jobs_and_tasks_are_refused(void **state)
{
    struct fixture *f = *state;
    const struct owner old = in_job(on_another_host(f), "90210", "3", 0);
    const struct owner others[] = {in_job(f->me, "90211", "3", 1), in_job(f->me, "90210", "4", 1),
                                   in_job(f->me, "90210", "", 1), f->me};
    leave(f, &old, 0);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_refused(f, &others[i], "Slurm job 90210");
    }
    const struct owner none = on_another_host(f); /* no job is not a job in common */
    leave(f, &none, 0);
    assert_refused(f, &f->me, "n17");
}

static void a_living_step_of_the_same_job_on_this_host_is_refused(void **state)
{
    struct fixture *f = *state;
    const struct owner old = in_job(f->me, "90210", "", 0);
    const struct owner again = in_job(f->me, "90210", "", 1);
    leave(f, &old, 0);
    assert_refused(f, &again, "Slurm job 90210");
}

/* Two steps of one job on two nodes look like a requeue that Slurm did not count. */
static void without_a_count_of_restarts_the_lock_is_watched(void **state)
{
    struct fixture *f = *state;
    const struct owner old = in_job(on_another_host(f), "90210", "", 0);
    const struct owner again = in_job(f->me, "90210", "", 0);
    leave(f, &old, 0);
    assert_taken(f, &again);
    leave(f, &old, 0);
    const pid_t child = fork();
    if (child == 0) {
        usleep(250 * 1000);
        (void)utimensat(AT_FDCWD, f->path, NULL, 0);
        _exit(0);
    }
    assert_refused(f, &again, "n17");
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/* Files that were made in the directory since the watch began. */
static int count_made(int watch)
{
    char events[64 * 1024] __attribute__((aligned(8)));
    int n = 0;
    for (long got; (got = read(watch, events, sizeof events)) > 0;) {
        for (const char *at = events; at < events + got;) {
            const struct inotify_event *e = (const void *)at;
            n++;
            at += sizeof *e + e->len;
        }
    }
    return n;
}

/* A lock that was watched in vain is taken over when the claim on it, which a living process holds
 * for two seconds more, is free. Tries are 20 ms apart after the watch, too, and each makes two
 * files: its own for the lock and one for the claim. */
static void a_watched_lock_waits_for_the_claim_of_another(void **state)
{
    struct fixture *f = *state;
    const struct owner old = in_job(on_another_host(f), "90210", "", 0);
    const struct owner again = in_job(f->me, "90210", "", 0);
    char claim[400], text[OWNER_TEXT_MAX];
    struct stat st;
    leave(f, &old, 0);
    owner_print(text, &old);
    assert_int_equal(stat(f->path, &st), 0);
    (void)snprintf(claim, sizeof claim, "%s.claim-%08" PRIx32, f->path,
                   crc32c(crc32c(0, text, strlen(text)), &st.st_ino, sizeof st.st_ino));
    owner_print(text, &f->me);
    assert_int_equal(file_write(claim, text, strlen(text)), ERR_OK);
    const int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    assert_true(watch >= 0 && inotify_add_watch(watch, f->dir, IN_CREATE) >= 0);
    const double from_s = clock_s();
    const pid_t child = fork();
    if (child == 0) {
        usleep(2600 * 1000); /* the watch takes 0.6 s of it */
        (void)unlink(claim);
        _exit(0);
    }
    assert_taken(f, &again);
    const int n_made = count_made(watch);
    assert_true(n_made >= 3 && n_made <= 2 * (clock_s() - from_s - quick().watch) / 0.02 + 10);
    assert_int_equal(close(watch), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/* ---- takeover: not renewed ---- */

static void a_lock_that_was_not_renewed_belongs_to_nobody(void **state)
{
    struct fixture *f = *state;
    const struct owner o = on_another_host(f);
    leave(f, &o, OLD_S - 60);
    assert_refused(f, &f->me, "n17");
    leave(f, &o, OLD_S);
    assert_taken(f, &f->me);
}

/* A text that is no owner's: only time tells. */
static void a_lock_that_cannot_be_read_is_respected_for_a_while(void **state)
{
    struct fixture *f = *state;
    struct timespec old[2] = {{.tv_sec = 0}, {.tv_sec = 0}};
    assert_int_equal(file_make_dirs(f->dir), ERR_OK);
    assert_int_equal(file_write(f->path, "host: n", 7), ERR_OK);
    assert_refused(f, &f->me, "cannot be read");
    assert_int_equal(utimensat(AT_FDCWD, f->path, old, 0), 0);
    assert_taken(f, &f->me);
}

static void the_owner_renews(void **state)
{
    struct fixture *f = *state;
    struct lock l;
    struct stat st;
    struct timespec old[2] = {{.tv_sec = 0}, {.tv_sec = 0}};
    const struct lock_times often = {.renew = 0.02, .stale = 300.0, .watch = 1.0};
    assert_int_equal(lock_dir(&l, f->dir, &f->me, NULL, &often), ERR_OK);
    assert_int_equal(utimensat(AT_FDCWD, f->path, old, 0), 0);
    do {
        usleep(1000);
        assert_int_equal(stat(f->path, &st), 0);
    } while (st.st_mtim.tv_sec == 0);
    lock_release(&l);
}

static void who_lost_the_lock_is_told_and_does_not_remove_the_new_one(void **state)
{
    struct fixture *f = *state;
    struct lock l;
    const struct owner o = on_another_host(f);
    assert_int_equal(try_as(&l, f, &f->me), ERR_OK);
    leave(f, &o, 0); /* replaces the file, as a takeover does */
    assert_int_equal(lock_confirm(&l), ERR_BUSY);
    assert_non_null(strstr(f->scene.log.last, "n17"));
    lock_abandon(&l);
    lock_release(&l);
    assert_int_equal(count_locks(f), 1);
    assert_int_equal(try_as(&l, f, &f->me), ERR_BUSY);
}

/* ---- many at once ---- */

static void race(struct fixture *f, const struct owner *old, int age)
{
    int ready[2], go[2], won[2], end[2];
    assert_true(pipe(ready) == 0 && pipe(go) == 0 && pipe(won) == 0 && pipe(end) == 0);
    leave(f, old, age);
    for (int i = 0; i < RACERS; i++) {
        if (fork() != 0) {
            continue;
        }
        char c = 0;
        struct lock l;
        struct owner me;
        const struct lock_times times = quick();
        close(go[1]);
        close(end[1]);
        log_set_sink(heard_line, &f->scene.log);
        owner_identify(&me, "racer");
        (void)!write(ready[1], "r", 1);
        (void)!read(go[0], &c, 1);
        const enum err e = lock_dir(&l, f->dir, &me, NULL, &times);
        (void)!write(won[1], e == ERR_OK ? "y" : e == ERR_BUSY ? "n" : "x", 1);
        (void)!read(end[0], &c, 1); /* nobody releases before all have tried */
        lock_release(&l);
        _exit(0);
    }
    char answer;
    for (int i = 0; i < RACERS; i++) {
        assert_int_equal(read(ready[0], &answer, 1), 1);
    }
    close(go[1]);
    int n_won = 0, n_refused = 0;
    for (int i = 0; i < RACERS; i++) {
        assert_int_equal(read(won[0], &answer, 1), 1);
        n_won += answer == 'y';
        n_refused += answer == 'n';
    }
    assert_int_equal(n_won, 1);
    assert_int_equal(n_refused, RACERS - 1);
    assert_int_equal(count_locks(f), 1);
    close(end[1]);
    for (int i = 0; i < RACERS; i++) {
        assert_true(wait(NULL) > 0);
    }
    assert_int_equal(count_locks(f), 0);
    close(ready[0]), close(ready[1]), close(go[0]), close(won[0]), close(won[1]), close(end[0]);
}

static void of_many_that_take_over_one_succeeds(void **state)
{
    struct fixture *f = *state;
    struct owner o = on_another_host(f);
    struct owner gone = f->me;
    gone.process_start--;
    for (int i = 0; i < ROUNDS; i++) {
        o.instance += 2;
        gone.instance += 2;
        race(f, i % 2 == 0 ? &o : &gone, i % 2 == 0 ? OLD_S : 0);
    }
}

/* The claim of a process that died in the middle of a takeover, and of another that died taking
 * that claim over: names as lock.c makes them. */
static void claims_of_the_dead_are_taken_over(void **state)
{
    struct fixture *f = *state;
    struct owner old = f->me;
    char path[400];
    old.process_start--;
    leave(f, &old, 0);
    (void)snprintf(path, sizeof path, "%s", f->path);
    for (int i = 0; i < 2; i++) {
        char text[OWNER_TEXT_MAX];
        struct stat st;
        owner_print(text, &old);
        assert_int_equal(stat(path, &st), 0);
        const size_t n = strlen(path);
        (void)snprintf(path + n, sizeof path - n, ".claim-%08" PRIx32,
                       crc32c(crc32c(0, text, strlen(text)), &st.st_ino, sizeof st.st_ino));
        old.instance++;
        owner_print(text, &old);
        assert_int_equal(file_write(path, text, strlen(text)), ERR_OK);
    }
    assert_int_equal(count_locks(f), 3);
    assert_taken(f, &f->me);
}

/* Processes that die at any moment of a takeover leave claims behind; the next one gets through. */
static void a_takeover_that_was_killed_is_finished_by_another(void **state)
{
    struct fixture *f = *state;
    struct owner old = f->me;
    old.process_start--;
    for (int i = 0; i < 60; i++) {
        old.instance += 2;
        leave(f, &old, 0);
        const pid_t child = fork();
        if (child == 0) {
            struct lock l;
            struct owner me;
            const struct lock_times times = quick();
            owner_identify(&me, "victim");
            (void)!lock_dir(&l, f->dir, &me, NULL, &times);
            pause();
        }
        usleep((useconds_t)(i * 40));
        (void)kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        struct lock l;
        assert_int_equal(try_as(&l, f, &f->me), ERR_OK);
        assert_int_equal(lock_confirm(&l), ERR_OK);
        lock_release(&l);
        assert_false(file_exists(f->path));
    }
}

/* ---- moving aside ---- */

static void a_directory_moves_aside_and_the_new_one_is_locked(void **state)
{
    struct fixture *f = *state;
    struct lock l, second;
    char aside[200], file[300];
    const struct lock_times times = quick();
    assert_int_equal(try_as(&l, f, &f->me), ERR_OK);
    (void)snprintf(aside, sizeof aside, "%s.1", f->dir);
    (void)snprintf(file, sizeof file, "%s/run.yaml", f->dir);
    assert_int_equal(file_write(file, "x", 1), ERR_OK);
    assert_int_equal(lock_move_aside(&l, f->dir, aside), ERR_OK);
    assert_false(file_exists(file));
    assert_int_equal(lock_confirm(&l), ERR_OK);
    assert_int_equal(try_as(&second, f, &f->me), ERR_BUSY);
    (void)snprintf(file, sizeof file, "%s/run.yaml", aside);
    assert_true(file_exists(file));
    assert_int_equal(lock_dir(&second, aside, &f->me, NULL, &times), ERR_OK); /* nobody's */
    lock_release(&second);
    lock_release(&l);
}

/* The lock of a directory that stayed is renewed as before. */
static void a_directory_that_cannot_be_moved_stays_locked(void **state)
{
    struct fixture *f = *state;
    struct lock l, second;
    struct stat st;
    char aside[200];
    struct timespec old[2] = {{.tv_sec = 0}, {.tv_sec = 0}};
    const struct lock_times often = {.renew = 0.02, .stale = 300.0, .watch = 1.0};
    assert_int_equal(lock_dir(&l, f->dir, &f->me, NULL, &often), ERR_OK);
    (void)snprintf(aside, sizeof aside, "%s/nowhere/run.1", f->scene.dir);
    assert_int_equal(lock_move_aside(&l, f->dir, aside), ERR_IO);
    assert_non_null(strstr(f->scene.log.last, "cannot be moved to"));
    assert_true(l.held && l.renewing);
    assert_int_equal(utimensat(AT_FDCWD, f->path, old, 0), 0);
    do {
        usleep(1000);
        assert_int_equal(stat(f->path, &st), 0);
    } while (st.st_mtim.tv_sec == 0);
    assert_int_equal(try_as(&second, f, &f->me), ERR_BUSY);
    lock_release(&l);
}

static void a_directory_in_which_somebody_works_stays(void **state)
{
    struct fixture *f = *state;
    struct lock l, store;
    char aside[200], file[300];
    const struct lock_times times = quick();
    assert_int_equal(try_as(&l, f, &f->me), ERR_OK);
    (void)snprintf(aside, sizeof aside, "%s.1", f->dir);
    (void)snprintf(file, sizeof file, "%s/below/twin.store", f->dir);
    assert_int_equal(lock_guest_file(&store, file, &f->me, NULL, &times), ERR_OK);
    assert_int_equal(lock_move_aside(&l, f->dir, aside), ERR_BUSY);
    assert_non_null(strstr(f->scene.log.last, "twin.store.lock"));
    assert_false(file_exists(aside));
    lock_release(&store);
    assert_int_equal(lock_move_aside(&l, f->dir, aside), ERR_OK);
    lock_release(&l);
}

static void a_place_that_cannot_be_written_is_named(void **state)
{
    struct fixture *f = *state;
    struct lock l;
    const struct lock_times times = quick();
    assert_int_equal(lock_dir(&l, "/proc/run", &f->me, NULL, &times), ERR_IO);
    assert_non_null(strstr(f->scene.log.last, "/proc/run"));
    assert_int_equal(lock_file(&l, "/proc/store", &f->me, NULL, &times), ERR_IO);
    assert_non_null(strstr(f->scene.log.last, "/proc/store"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_owner_reads_back_as_written),
        TEST(an_owner_with_garbage_for_a_number_is_none),
        TEST(a_second_process_is_refused_and_told_by_whom),
        TEST(all_names_of_a_directory_are_one_lock),
        TEST(a_file_has_its_lock_beside_it),
        TEST(a_file_in_a_locked_directory_is_refused_and_leaves_nothing),
        TEST(a_directory_with_a_locked_file_is_refused),
        TEST(directories_that_were_made_for_a_lock_go_with_it),
        TEST(a_process_that_is_gone_owns_nothing),
        TEST(a_number_that_another_process_has_by_now_owns_nothing),
        TEST(a_number_of_another_host_says_nothing),
        TEST(a_requeue_on_another_node_goes_on_at_once),
        TEST(other_jobs_and_tasks_are_refused),
        TEST(a_living_step_of_the_same_job_on_this_host_is_refused),
        TEST(without_a_count_of_restarts_the_lock_is_watched),
        TEST(a_watched_lock_waits_for_the_claim_of_another),
        TEST(a_lock_that_was_not_renewed_belongs_to_nobody),
        TEST(a_lock_that_cannot_be_read_is_respected_for_a_while),
        TEST(the_owner_renews),
        TEST(who_lost_the_lock_is_told_and_does_not_remove_the_new_one),
        TEST(of_many_that_take_over_one_succeeds),
        TEST(claims_of_the_dead_are_taken_over),
        TEST(a_takeover_that_was_killed_is_finished_by_another),
        TEST(a_directory_moves_aside_and_the_new_one_is_locked),
        TEST(a_directory_in_which_somebody_works_stays),
        TEST(a_directory_that_cannot_be_moved_stays_locked),
        TEST(a_place_that_cannot_be_written_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
