/* The farm runs what the file does not have. See number_jobs.h. */
#include "mpi/jobs/number_jobs.h"

#include "core/base/file.h"
#include "core/base/frame_file.h"
#include "core/base/log.h"
#include "mpi/comm/farm.h"
#include "mpi/comm/stop.h"
#include "proto/numbers.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct run {
    const struct number_jobs *jobs;
    int n_kept, fd; /* fd: rank 0's */
};

/* ---- the file ---- */

/* Takes the next frame back if it is that of job n_kept; *taken: it was. */
static enum err take_frame(bool *taken, struct run *r, const struct frame *f)
{
    const struct number_jobs *jobs = r->jobs;
    struct numbers got;
    struct arena scratch;
    *taken = false;
    if (f->kind != FRAME_NUMBERS || f->version != CODEC_NUMBERS_VERSION) {
        return ERR_OK;
    }
    arena_init(&scratch);
    enum err e = codec_get_numbers(&got, f->payload, f->n, jobs->path, &scratch);
    if (e == ERR_OK && got.digest == jobs->digest && got.job == (uint32_t)r->n_kept) {
        e = jobs->take(jobs->ctx, r->n_kept, got.value, got.n);
        *taken = e == ERR_OK;
    }
    arena_release(&scratch);
    return e;
}

/* Invariant: the first *bytes bytes of the file are the frames of jobs 0 .. n_kept - 1. */
static enum err take_kept(size_t *bytes, struct run *r, struct frame_file *f)
{
    struct frame frame;
    enum frame_status status;
    while (r->n_kept < r->jobs->n) {
        bool taken;
        TRY(frame_file_next(f, &frame, &status));
        if (status != FRAME_OK) {
            return ERR_OK;
        }
        TRY(take_frame(&taken, r, &frame));
        if (!taken) {
            return ERR_OK;
        }
        r->n_kept++;
        *bytes = f->at;
    }
    return ERR_OK;
}

static enum err open_file(struct run *r)
{
    const char *path = r->jobs->path;
    size_t bytes = 0;
    if (file_exists(path) && !r->jobs->restart) {
        struct frame_file f;
        TRY(frame_file_open(&f, path));
        const enum err e = take_kept(&bytes, r, &f);
        frame_file_close(&f);
        TRY(e);
        if (r->n_kept > 0 && r->n_kept < r->jobs->n) {
            log_info("%s: %d of %d jobs were done before", path, r->n_kept, r->jobs->n);
        }
    }
    r->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (r->fd < 0 || ftruncate(r->fd, (off_t)bytes) != 0) {
        log_error("cannot open '%s' or cut it to %zu bytes: %s", path, bytes, strerror(errno));
        return ERR_IO;
    }
    return ERR_OK;
}

/* ---- the farm ---- */

static enum err run_job(void *ctx, int i, struct buf *out)
{
    const struct run *r = ctx;
    return r->jobs->run(r->jobs->ctx, r->n_kept + i, out);
}

/* The record lies where the message has put it, so its numbers are copied to where doubles may
 * stand. */
static enum err take_job(void *ctx, int i, const void *record, size_t bytes)
{
    struct run *r = ctx;
    const struct number_jobs *jobs = r->jobs;
    struct arena scratch;
    struct buf frame;
    CHECK(bytes % sizeof(double) == 0);
    TRY(jobs->lock != NULL ? lock_confirm(jobs->lock) : ERR_OK);
    arena_init(&scratch);
    buf_init(&frame);
    double *values = ARENA_NEW(&scratch, bytes / sizeof(double), double);
    enum err e = arena_error(&scratch);
    if (e == ERR_OK) {
        const struct numbers put = {.digest = jobs->digest,
                                    .job = (uint32_t)(r->n_kept + i),
                                    .value = values,
                                    .n = bytes / sizeof(double)};
        memcpy(values, record, bytes);
        e = codec_put_numbers(&frame, &put);
    }
    if (e == ERR_OK) {
        e = file_write_fd(r->fd, jobs->path, frame.data, frame.len);
    }
    if (e == ERR_OK) {
        e = jobs->take(jobs->ctx, r->n_kept + i, values, bytes / sizeof(double));
    }
    buf_release(&frame);
    arena_release(&scratch);
    return e;
}

static enum err share_kept(struct run *r, struct comm *comm)
{
    struct buf b;
    buf_init(&b);
    enum err e = comm->rank == 0 ? buf_append(&b, &r->n_kept, sizeof r->n_kept) : ERR_OK;
    e = comm_agree(comm, e);
    if (e == ERR_OK) {
        e = comm_bcast(comm, 0, &b);
    }
    if (e == ERR_OK) {
        CHECK(b.len == sizeof r->n_kept);
        memcpy(&r->n_kept, b.data, sizeof r->n_kept);
    }
    buf_release(&b);
    return e;
}

enum err number_jobs_run(struct comm *comm, const struct number_jobs *jobs)
{
    struct run r = {.jobs = jobs, .fd = -1};
    enum err e = comm_agree(comm, comm->rank == 0 ? open_file(&r) : ERR_OK);
    if (e == ERR_OK) {
        e = share_kept(&r, comm);
    }
    if (e == ERR_OK && r.n_kept < jobs->n) {
        const struct job_list list = {.n = jobs->n - r.n_kept,
                                      .ctx = &r,
                                      .what = jobs->what,
                                      .run = run_job,
                                      .take = take_job,
                                      .stop = stop_of_jobs};
        e = farm_run(comm, &list);
    }
    if (r.fd >= 0) {
        close(r.fd);
    }
    return e;
}
