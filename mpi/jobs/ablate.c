/* Who makes what, when. See ablate.h.
 *
 * Rank 0 of a group decides and tells the others of the group one number: a run, or that there is
 * no more, or an error. Invariant: `over[i]` is set only for a run that needs nothing more from
 * this process, so each turn either makes a run, or ends because every run is over or locked. */
#include "mpi/jobs/ablate.h"

#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/number.h"
#include "core/base/plural.h"
#include "core/base/progress.h"
#include "mpi/comm/locking.h"
#include "mpi/comm/peers.h"
#include "mpi/comm/selfcheck.h"
#include "mpi/comm/stop.h"
#include "mpi/jobs/ablate_compared.h"
#include "mpi/jobs/ablate_run.h"
#include "mpi/jobs/ablate_tidy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { NO_MORE = -1, NAP_MS = 1000 };

/* What rank 0 of a group has found. */
struct turn {
    int32_t run; /* or NO_MORE */
    int32_t err; /* enum err */
};

struct ablation {
    struct comm *world;
    struct comm group;
    const struct ablate_plan *plan;
    const struct ablate_order *order;
    struct arena arena, scratch;
    struct peers peers;
    bool *wanted, *over; /* (plan->n) */
    int n_open;          /* runs that were to be made when this process began */
    int n_failed;        /* stages; rank 0 */
    struct lock lock;    /* rank 0's, of the run or stage under way */
    struct progress progress;
};

/* ---- what is asked for ---- */

/* One number, or two with a '-' in between, up to the next comma. */
static bool read_range(int64_t range[2], const char *text, size_t len, int n)
{
    char copy[64];
    if (len == 0 || len >= sizeof copy) {
        return false;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    char *dash = strchr(copy, '-');
    if (dash != NULL) {
        *dash = '\0';
    }
    return number_whole(&range[0], copy, 1, n) &&
           number_whole(&range[1], dash != NULL ? dash + 1 : copy, range[0], n);
}

enum err ablate_read_lines(bool *wanted, int n, const char *text)
{
    memset(wanted, 0, (size_t)n * sizeof *wanted);
    for (const char *at = text;; at++) {
        const size_t len = strcspn(at, ",");
        int64_t range[2];
        if (!read_range(range, at, len, n)) {
            log_error("--lines %s: found '%.*s', expected numbers of lines from 1 to %d, such as "
                      "3,7,9-12 (karma ablate SPEC --dry-run lists them)",
                      text, (int)len, at, n);
            return ERR_USAGE;
        }
        for (int64_t i = range[0]; i <= range[1]; i++) {
            wanted[i - 1] = true;
        }
        at += len;
        if (*at == '\0') {
            return ERR_OK;
        }
    }
}

enum err ablate_check_test(const struct ablate_plan *plan)
{
    char digest[ABLATION_DIGEST_BYTES];
    const char *published = plan->spec->preregistered;
    ablation_digest_print(digest, plan->digest);
    if (!plan->on_test || strcmp(published, digest) == 0) {
        return ERR_OK;
    }
    if (published[0] == '\0') {
        log_error("%s plays TEST episodes, which are for one comparison that was fixed beforehand. "
                  "Write its digest into it, publish the file, and then run it: karma ablate %s "
                  "--preregister",
                  plan->spec_path, plan->spec_path);
    } else {
        log_error("%s plays TEST episodes and was published with the digest %s, but its digest is "
                  "%s now: what it runs has changed since. Undo the change, or play DEV episodes "
                  "(eval.split=dev)",
                  plan->spec_path, published, digest);
    }
    return ERR_CONFIG;
}

/* ---- looking ---- */

static enum err look(enum ablation_state *state, struct ablation *a, int i)
{
    struct ablation_outcome out;
    const struct arena_mark mark = arena_mark(&a->scratch);
    const enum err e = ablation_look(state, &out, &a->scratch, a->plan->dir, &a->plan->lines[i]);
    arena_rewind(&a->scratch, mark);
    return e;
}

/* The same for a run of which survey() has told already that its record is damaged. */
static enum err look_again(enum ablation_state *state, struct ablation *a, int i)
{
    const struct log_sink before = log_sink_now();
    log_set_sink(log_discard, NULL);
    const enum err e = look(state, a, i);
    log_set_sink(before.sink, before.ctx);
    return e;
}

static enum err look_at_stage(enum ablation_state *state, struct ablation *a, int stage)
{
    struct ablation_outcome out;
    const struct ablate_stage *s = &a->plan->stages[stage];
    const struct arena_mark mark = arena_mark(&a->scratch);
    const enum err e = ablation_look_at(state, &out, &a->scratch, s->dir, s->digest);
    arena_rewind(&a->scratch, mark);
    return e;
}

/* Takes the lock of a directory if it is free: *taken. That somebody else has it is no news. */
static enum err try_lock(bool *taken, struct ablation *a, const char *dir)
{
    struct owner me;
    owner_identify(&me, "karma ablate");
    *taken = false;
    if (lock_look(NULL, dir, &me, &lock_usual_times)) {
        return ERR_OK;
    }
    const struct log_sink before = log_sink_now();
    log_set_sink(log_discard, NULL);
    enum err e = locking_dir(&a->lock, NULL, dir, "karma ablate", NULL);
    log_set_sink(before.sink, before.ctx);
    *taken = e == ERR_OK;
    if (e != ERR_OK && e != ERR_BUSY) {
        e = locking_dir(&a->lock, NULL, dir, "karma ablate", NULL); /* says why */
        *taken = e == ERR_OK;
    }
    return e == ERR_BUSY ? ERR_OK : e;
}

/* Is the run there to be made now? A changed one is moved aside by whoever makes it, which
 * ablate_all() has allowed. */
static bool is_open(const struct ablation *a, enum ablation_state state)
{
    return state == ABLATION_WAITING || (state == ABLATION_FAILED && a->order->retry) ||
           (state == ABLATION_CHANGED && a->order->restart);
}

/* Run i under its lock, if it is open and nobody else has it. */
static enum err try_run(bool *taken, struct ablation *a, int i)
{
    enum ablation_state state;
    *taken = false;
    TRY(look_again(&state, a, i));
    a->over[i] = state != ABLATION_RUNNING && !is_open(a, state);
    if (state == ABLATION_RUNNING || a->over[i]) {
        return ERR_OK;
    }
    const struct arena_mark mark = arena_mark(&a->scratch);
    const char *dir = ablate_run_dir(a->plan, &a->scratch, i);
    enum err e = arena_error(&a->scratch);
    e = e == ERR_OK ? try_lock(taken, a, dir) : e;
    arena_rewind(&a->scratch, mark);
    if (e == ERR_OK && *taken) { /* it may have been made between the look and the lock */
        e = look_again(&state, a, i);
        a->over[i] = e == ERR_OK && !is_open(a, state) && state != ABLATION_RUNNING;
        *taken = e == ERR_OK && !a->over[i];
        if (!*taken) {
            locking_end(&a->lock);
        }
    }
    return e;
}

static enum err find_run(struct turn *t, struct ablation *a)
{
    t->run = NO_MORE;
    for (int i = 0; i < a->plan->n && t->run == NO_MORE; i++) {
        bool taken = false;
        if (a->wanted[i] && !a->over[i]) {
            TRY(try_run(&taken, a, i));
        }
        t->run = taken ? i : NO_MORE;
    }
    return ERR_OK;
}

/* ---- telling ---- */

static const char *describe(struct ablation *a, int i)
{
    const struct ablation_line *l = &a->plan->lines[i];
    return arena_printf(&a->scratch, "%d of %d: %s in %s, seed %" PRIu64, l->number, a->plan->n,
                        l->variant, l->scenario, l->seed);
}

/* Groups other than the first say warnings only, so a run that has failed is one. */
static void tell_run(struct ablation *a, int i, const struct ablate_result *r)
{
    char time[32];
    const struct arena_mark mark = arena_mark(&a->scratch);
    const char *what = describe(a, i);
    progress_duration(time, sizeof time, r->seconds);
    if (what != NULL && r->failed) {
        log_warn("run %s has failed: %s", what, r->reason);
    } else if (what != NULL) {
        log_info("run %s, done in %s", what, time);
    }
    arena_rewind(&a->scratch, mark);
}

/* ---- runs ---- */

static enum err share(struct turn *t, struct comm *group)
{
    struct buf b;
    buf_init(&b);
    enum err e = comm_agree(group, group->rank == 0 ? buf_append(&b, t, sizeof *t) : ERR_OK);
    e = e == ERR_OK ? comm_bcast(group, 0, &b) : e;
    if (e == ERR_OK) {
        CHECK(b.len == sizeof *t);
        memcpy(t, b.data, sizeof *t);
    }
    buf_release(&b);
    return e;
}

static enum err next_turn(struct turn *t, struct ablation *a)
{
    *t = (struct turn){.run = NO_MORE, .err = ERR_OK};
    if (a->group.rank == 0) {
        t->err = stop_requested() ? (int32_t)ERR_STOPPED : (int32_t)find_run(t, a);
    }
    TRY(share(t, &a->group));
    return (enum err)t->err;
}

static enum err make_run(struct ablation *a, int i)
{
    struct ablate_result r;
    const enum err e = ablate_run(&r, &a->group, a->plan, i, &a->lock);
    if (a->group.rank == 0) {
        locking_end(&a->lock);
        stop_resumable(&a->peers);
    }
    TRY(e);
    a->over[i] = true;
    if (a->group.rank == 0) {
        tell_run(a, i, &r);
    }
    return ERR_OK;
}

static int count_open(const struct ablation *a)
{
    int n = 0;
    for (int i = 0; i < a->plan->n; i++) {
        n += a->wanted[i] && !a->over[i] ? 1 : 0;
    }
    return n;
}

/* A group learns of what the others have made when it looks for its next run. */
static enum err make_runs(struct ablation *a)
{
    for (;;) {
        struct turn t;
        TRY(next_turn(&t, a));
        progress_at(&a->progress, (uint64_t)(a->n_open - count_open(a)), "%s", "");
        if (t.run == NO_MORE) {
            return ERR_OK;
        }
        TRY(make_run(a, t.run));
    }
}

/* ---- stages ---- */

static void nap(void)
{
    const struct timespec t = {NAP_MS / 1000, (long)(NAP_MS % 1000) * 1000000L};
    nanosleep(&t, NULL);
}

/* Does a run that is wanted and not over need the stage? */
static bool is_needed(const struct ablation *a, int stage)
{
    for (int i = 0; i < a->plan->n; i++) {
        const int twin = a->plan->twins[i];
        if (a->wanted[i] && !a->over[i] && twin >= 0 &&
            (twin == stage || a->plan->stages[twin].from == stage)) {
            return true;
        }
    }
    return false;
}

/* A twin without its traces cannot be made, and neither can a run without its twin. */
static enum err give_up_on(struct ablation *a, int stage)
{
    log_error("%s could not be made: see outcome.yaml and log.txt there. To try again: --retry; "
              "until then the runs that need it wait",
              a->plan->stages[stage].dir);
    for (int i = 0; i < a->plan->n; i++) {
        const int twin = a->plan->twins[i];
        if (twin >= 0 && (twin == stage || a->plan->stages[twin].from == stage)) {
            a->over[i] = true;
        }
    }
    a->n_failed++;
    return ERR_OK;
}

/* Rank 0: waits until the stage is over or its lock is ours. *todo: to be made, under the lock. */
static enum err claim_stage(bool *todo, struct ablation *a, int stage)
{
    bool told = false;
    *todo = false;
    for (;;) {
        enum ablation_state state;
        TRY(stop_requested() ? ERR_STOPPED : ERR_OK);
        TRY(look_at_stage(&state, a, stage));
        if (state == ABLATION_DONE) {
            return ERR_OK;
        }
        if (state == ABLATION_FAILED && !a->order->retry) {
            return give_up_on(a, stage);
        }
        TRY(try_lock(todo, a, a->plan->stages[stage].dir));
        if (*todo) {
            TRY(look_at_stage(&state, a, stage));
            *todo = state != ABLATION_DONE;
            if (!*todo) {
                locking_end(&a->lock);
            }
            return ERR_OK;
        }
        if (!told) {
            log_info("%s is being made by another process; waiting for it",
                     a->plan->stages[stage].dir);
            told = true;
        }
        nap();
    }
}

static enum err make_stage(struct ablation *a, int stage)
{
    struct turn t = {.run = NO_MORE, .err = ERR_OK};
    struct ablate_result r;
    bool todo = false;
    if (a->world->rank == 0 && is_needed(a, stage)) {
        t.err = (int32_t)claim_stage(&todo, a, stage);
        t.run = todo ? stage : NO_MORE;
    }
    TRY(share(&t, a->world));
    TRY((enum err)t.err);
    if (t.run == NO_MORE) {
        return ERR_OK;
    }
    if (a->world->rank == 0) {
        log_info("%s %s", a->plan->stages[stage].is_fit ? "fitting the twin" : "collecting traces",
                 a->plan->stages[stage].dir);
    }
    const enum err e = ablate_make_stage(&r, a->world, a->plan, stage, &a->lock);
    if (a->world->rank == 0) {
        locking_end(&a->lock);
        stop_resumable(&a->peers);
    }
    TRY(e);
    return comm_agree(a->world, r.failed && a->world->rank == 0 ? give_up_on(a, stage) : ERR_OK);
}

/* ---- before and behind ---- */

/* Rank 0: what is over, and results of another configuration. */
static enum err survey(struct ablation *a)
{
    int n_changed = 0, first = 0;
    for (int i = 0; i < a->plan->n; i++) {
        enum ablation_state state;
        TRY(look(&state, a, i));
        a->plan->lines[i].state = state;
        a->over[i] = state != ABLATION_RUNNING && !is_open(a, state);
        if (a->wanted[i] && state == ABLATION_CHANGED) {
            first = n_changed++ == 0 ? i : first;
        }
    }
    if (n_changed == 0 || a->order->restart) {
        return ERR_OK;
    }
    const struct arena_mark mark = arena_mark(&a->scratch);
    const char *dir = ablate_run_dir(a->plan, &a->scratch, first);
    log_error("%d run%s in %s %s made with another configuration, such as %s. Add --restart to "
              "move these results aside and make the runs again, or choose another place with "
              "--out DIR",
              n_changed, plural_s(n_changed), a->plan->dir, n_changed == 1 ? "was" : "were",
              dir != NULL ? dir : "");
    arena_rewind(&a->scratch, mark);
    return ERR_CONFIG;
}

static enum err write_spec(struct ablation *a)
{
    struct buf b;
    const char *path = file_join(&a->arena, a->plan->dir, "spec.yaml");
    TRY(arena_error(&a->arena));
    buf_init(&b);
    enum err e = cfg_print_resolved(&b, ablation_fields, a->plan->spec, CFG_ALL);
    e = e == ERR_OK ? file_write(path, b.data, b.len) : e;
    buf_release(&b);
    return e;
}

static enum err begin(struct ablation *a)
{
    TRY(ablate_check_test(a->plan));
    if (a->order->lines != NULL) {
        TRY(ablate_read_lines(a->wanted, a->plan->n, a->order->lines));
    } else {
        memset(a->wanted, 1, (size_t)a->plan->n * sizeof *a->wanted);
    }
    TRY(file_make_dirs(a->plan->dir));
    TRY(file_check_writable(a->plan->dir));
    TRY(ablate_tidy_all(a->plan->dir, &a->scratch));
    TRY(survey(a));
    TRY(write_spec(a));
    return ablation_manifest_write(a->plan->dir, a->plan->lines, a->plan->n);
}

/* Rank 0, at the end: the manifest with the states as they are now, and what to compare. A failed
 * run is an error, whoever made it. through: this process has tried all that is wanted. */
static enum err conclude(struct ablation *a, bool through)
{
    int n[ABLATION_CHANGED + 1] = {0}, n_failed = a->n_failed, n_held = 0;
    for (int i = 0; i < a->plan->n; i++) {
        TRY(look(&a->plan->lines[i].state, a, i));
        const enum ablation_state state = a->plan->lines[i].state;
        n[state]++;
        n_failed += a->wanted[i] && state == ABLATION_FAILED ? 1 : 0;
        n_held +=
            a->wanted[i] && !a->over[i] && (state == ABLATION_WAITING || state == ABLATION_RUNNING)
                ? 1
                : 0;
    }
    TRY(ablation_manifest_write(a->plan->dir, a->plan->lines, a->plan->n));
    TRY(ablate_write_compared(a->plan, &a->scratch));
    log_info("%s: %d of %d runs done, %d failed, %d running, %d waiting", a->plan->dir,
             n[ABLATION_DONE], a->plan->n, n[ABLATION_FAILED], n[ABLATION_RUNNING],
             n[ABLATION_WAITING]);
    if (through && n_held > 0) {
        log_info("%d of them %s left to other processes that work there; start the command again "
                 "when these have ended",
                 n_held, n_held == 1 ? "is" : "are");
    }
    if (n_failed == 0) {
        return ERR_OK;
    }
    log_error("%d failed; karma ablate %s --status says why, and --retry tries again", n_failed,
              a->plan->spec_path);
    return ERR_FAILED;
}

/* ---- all ---- */

/* Rank 0's answers of begin() to all. */
static enum err share_flags(struct ablation *a)
{
    struct buf b;
    const size_t n = (size_t)a->plan->n * sizeof(bool);
    buf_init(&b);
    enum err e = a->world->rank == 0 ? buf_append(&b, a->wanted, n) : ERR_OK;
    e = e == ERR_OK && a->world->rank == 0 ? buf_append(&b, a->over, n) : e;
    e = comm_agree(a->world, e);
    e = e == ERR_OK ? comm_bcast(a->world, 0, &b) : e;
    if (e == ERR_OK) {
        CHECK(b.len == 2 * n);
        memcpy(a->wanted, b.data, n);
        memcpy(a->over, b.data + n, n);
    }
    buf_release(&b);
    return e;
}

static enum err make_stages(struct ablation *a)
{
    for (int s = 0; s < a->plan->n_stages; s++) {
        TRY(make_stage(a, s));
    }
    return share_flags(a); /* runs whose stage has failed are over */
}

/* Groups of at least `group` ranks, as even as they can be. */
static int group_of(const struct ablation *a)
{
    const int size = a->world->size;
    const int wanted = a->order->group < 1 ? 1 : a->order->group;
    const int n_groups = wanted < size ? size / wanted : 1;
    return (int)((int64_t)a->world->rank * n_groups / size);
}

/* The groups end at different times, so what went wrong in one is agreed on when all are here. */
static enum err run_groups(struct ablation *a)
{
    TRY(comm_split(&a->group, a->world, group_of(a)));
    a->n_open = count_open(a);
    progress_begin(&a->progress, "ablate", 0, (uint64_t)a->n_open);
    const enum err e = make_runs(a);
    progress_end(&a->progress);
    comm_finalize(&a->group);
    return comm_agree(a->world, e);
}

static enum err run_all(struct ablation *a)
{
    const bool root = a->world->rank == 0;
    TRY(comm_same_u64(a->world, "digest of the spec", a->plan->digest));
    TRY(comm_agree(a->world, root ? begin(a) : ERR_OK));
    TRY(share_flags(a));
    enum err e = make_stages(a);
    if (e == ERR_OK && !a->order->stages_only) {
        e = run_groups(a);
    }
    if (e == ERR_PEER || e == ERR_MEMORY) {
        return e;
    }
    const bool through = e == ERR_OK && !a->order->stages_only;
    const enum err concluded = comm_agree(a->world, root ? conclude(a, through) : ERR_OK);
    return e != ERR_OK ? e : concluded;
}

enum err ablate_all(struct comm *comm, const struct ablate_plan *plan,
                    const struct ablate_order *order)
{
    struct ablation a = {
        .world = comm, .plan = plan, .order = order, .lock = {.fd = -1}, .group = {.rank = 0}};
    arena_init(&a.arena);
    arena_init(&a.scratch);
    a.wanted = ARENA_NEW(&a.arena, plan->n, bool);
    a.over = ARENA_NEW(&a.arena, plan->n, bool);
    enum err e = comm_agree(comm, arena_error(&a.arena));
    e = e == ERR_OK ? peers_init(&a.peers, &a.arena, comm) : e;
    if (e == ERR_OK) {
        stop_resumable(&a.peers);
        e = run_all(&a);
        stop_forget();
    }
    if (e == ERR_STOPPED && comm->rank == 0) {
        log_info("stopped on request; runs under way have checkpoints; to go on: %s",
                 stop_command());
    }
    locking_end(&a.lock);
    arena_release(&a.scratch);
    arena_release(&a.arena);
    return e;
}
