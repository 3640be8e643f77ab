/* karma doctor: looks whether this machine, or the hosts of a job, can run this program well.
 *
 * Each rank fills a record (mpi/jobs/doctor_record.h), rank 0 probes the storage while the other
 * hosts look on (storage_probe.h), and rank 0 judges all records and prints a line for each finding
 * (doctor_findings.h). What could keep MPI from starting is judged before MPI is started. */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "mpi/cmd/commands.h"
#include "mpi/cmd/cpu_check.h"
#include "mpi/cmd/ranks.h"
#include "mpi/jobs/doctor_findings.h"
#include "mpi/jobs/doctor_host_findings.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* What is known before MPI starts. */
struct before {
    struct launched launched;
    struct doctor_record record;
    double start_s;
};

struct doctor_options {
    const char *dir, *host;
    int memory_mib, space_mib;
    struct before *before; /* not an option */
};

static const struct option_row rows[] = {
    OPTION_STRING(struct doctor_options, dir, "dir", 0, "DIR",
                  "directory that runs will be written to; results/runs if not given"),
    OPTION_INT(struct doctor_options, memory_mib, "memory", 0, "MIB", 1, INT_MAX,
               "memory that each rank needs, see karma train CONFIG --dry-run; 256 if not given"),
    OPTION_INT(struct doctor_options, space_mib, "space", 0, "MIB", 1, INT_MAX,
               "space that must be free in DIR; 512 if not given"),
    OPTION_STRING(struct doctor_options, host, "host", 0, "NAME",
                  "host name to resolve; this host's own if not given"),
    OPTION_END,
};
static const struct operand_row operand_rows[] = {
    OPERAND_END,
};
static const struct command_line line = {
    "karma doctor",
    "Looks whether this machine can run this program well: MPI and its launcher, BLAS, CPU, cores, "
    "memory, storage, clocks, names. Prints one line for each finding: ok, warning or error, the "
    "last two with the remedy. The status is 1 if there is an error. Under mpirun, mpi/launch or "
    "srun it looks at all hosts of the job.",
    rows, operand_rows, sizeof(struct doctor_options)};

/* ---- what the ranks do together ---- */

/* Rank 0 probes; one rank of each other host looks whether it sees the same. The path travels as
 * text; "" if there is no probe. */
static enum err probe_storage(struct storage_probe *p, struct doctor_record *mine, bool look,
                              struct comm *comm, const char *dir)
{
    struct buf path;
    buf_init(&path);
    if (comm->rank == 0) {
        storage_probe_begin(p, dir);
    }
    enum err e = comm->rank == 0 ? buf_append(&path, p->probe, strlen(p->probe) + 1) : ERR_OK;
    e = comm_agree(comm, e);
    if (e == ERR_OK) {
        e = comm_bcast(comm, 0, &path);
    }
    if (e == ERR_OK && look && path.len > 1) {
        mine->seen = storage_probe_look((const char *)path.data);
    }
    buf_release(&path);
    return e;
}

/* The median of several would hide the waits of an oversubscribed host, so the mean is taken. */
static enum err time_agreement(double *mean_s, struct comm *comm)
{
    enum { ROUNDS = 20 };
    TRY(comm_barrier(comm));
    const double start_s = clock_s();
    for (int i = 0; i < ROUNDS; i++) {
        TRY(comm_agree(comm, ERR_OK));
    }
    *mean_s = (clock_s() - start_s) / ROUNDS;
    return ERR_OK;
}

static uint32_t built_for(void)
{
    uint32_t set = 0;
    for (int i = 0; i < CPU_FEATURES_N; i++) {
        set |= (uint32_t)(cpu_built_for[i] != 0) << i;
    }
    return set;
}

static void judge(struct doctor_report *r, const struct doctor_facts *f)
{
    doctor_judge_mpi(r, f);
    doctor_judge_arithmetic(r, f);
    doctor_judge_cores(r, f);
    doctor_judge_memory(r, f);
    doctor_judge_limits(r, f);
    doctor_judge_storage(r, f);
    doctor_judge_clocks(r, f);
    doctor_judge_names(r, f);
    doctor_judge_tools(r, f);
}

/* The report and a last line that counts. ERR_FAILED if there is an error. */
static enum err print(struct doctor_report *r)
{
    TRY(r->failed);
    fwrite(r->text.data, 1, r->text.len, stdout);
    printf("%d ok, %d warning%s, %d error%s\n", r->n[DOCTOR_OK], r->n[DOCTOR_WARNING],
           r->n[DOCTOR_WARNING] == 1 ? "" : "s", r->n[DOCTOR_ERROR],
           r->n[DOCTOR_ERROR] == 1 ? "" : "s");
    return r->n[DOCTOR_ERROR] > 0 ? ERR_FAILED : ERR_OK;
}

/* Collective. All records reach all ranks; rank 0 judges. The first gather tells each rank whether
 * it is the first of its host, and the second has what it saw of the storage. */
static enum err examine(struct doctor_report *report, struct storage_probe *probe,
                        struct comm *comm, const struct call *c)
{
    const struct doctor_options *o = c->options;
    struct doctor_record *mine = &o->before->record;
    struct doctor_record *all = ARENA_NEW(c->arena, comm->size, struct doctor_record);
    TRY(comm_agree(comm, arena_error(c->arena)));
    struct doctor_facts f = {.ranks = all,
                             .n = comm->size,
                             .launched = o->before->launched,
                             .library = comm_library(),
                             .threads = comm_threads(),
                             .cpu_names = cpu_feature_names,
                             .n_cpu_names = CPU_FEATURES_N,
                             .cpu_built = built_for(),
                             .memory_bytes = (int64_t)o->memory_mib << 20,
                             .space_bytes = (int64_t)o->space_mib << 20,
                             .dir = o->dir,
                             .storage = probe,
                             .arena = c->arena};
    doctor_examine(mine);
    TRY(time_agreement(&f.agreement_s, comm));
    TRY(skew_sample(&mine->clock, comm));
    TRY(comm_gather_all(comm, all, mine, sizeof *mine));
    const bool look = doctor_first_of_host(&f, comm->rank) && mine->machine != all[0].machine;
    TRY(probe_storage(probe, mine, look, comm, o->dir));
    TRY(comm_gather_all(comm, all, mine, sizeof *mine));
    if (comm->rank == 0) {
        judge(report, &f);
    }
    return ERR_OK;
}

static enum err on_ranks(struct comm *comm, const struct call *c)
{
    const struct doctor_options *o = c->options;
    struct doctor_report report;
    struct storage_probe *probe = ARENA_NEW(c->arena, 1, struct storage_probe);
    doctor_report_init(&report);
    o->before->record.start_s = clock_s() - o->before->start_s;
    o->before->record.cpu = cpu_supported();
    enum err e = comm_agree(comm, arena_error(c->arena));
    if (e == ERR_OK) {
        probe->lock.fd = -1;
        e = examine(&report, probe, comm, c);
        storage_probe_end(probe);
    }
    if (e == ERR_OK && comm->rank == 0) {
        e = print(&report);
    }
    doctor_report_release(&report);
    return comm_agree(comm, e);
}

/* MPI ends a program that it cannot start, so this is said before. All tasks of a launcher find the
 * same; the first one tells. */
static enum err check_start(const struct before *b)
{
    const struct doctor_facts f = {
        .ranks = &b->record, .n = 1, .launched = b->launched, .library = comm_library()};
    struct doctor_report report;
    enum err e = ERR_OK;
    doctor_report_init(&report);
    doctor_judge_start(&report, &f);
    if (report.failed != ERR_OK || report.n[DOCTOR_ERROR] > 0) {
        e = b->launched.rank <= 0 ? print(&report) : ERR_FAILED;
    }
    doctor_report_release(&report);
    return e;
}

static enum err run(const struct call *c)
{
    const struct doctor_options *o = c->options;
    struct before *b = o->before;
    launched_read(&b->launched);
    doctor_examine_early(&b->record, o->host);
    TRY(check_start(b));
    if (launched_with_old_pmi(&b->launched, comm_library()) && b->launched.rank <= 0) {
        log_warn("srun --mpi=pmi2 works only with an Open MPI that was built for it; if MPI ends "
                 "this program now, use srun --mpi=pmix");
    }
    b->start_s = clock_s();
    return ranks_run(c, on_ranks);
}

enum err command_doctor(int argc, char **argv)
{
    struct before before = {.start_s = 0.0};
    struct doctor_options o = {
        .dir = "results/runs", .memory_mib = 256, .space_mib = 512, .before = &before};
    return command_call(&line, &o, run, argc, argv);
}
