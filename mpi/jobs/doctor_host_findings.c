/* Findings about memory, storage, clocks, names and programs. See doctor_host_findings.h. */
#include "mpi/jobs/doctor_host_findings.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double mebibyte = 1024.0 * 1024.0;

static const char *plural(int n)
{
    return n == 1 ? "" : "s";
}

/* ---- memory ---- */

/* Least of the limits that are there; what it is goes to *whose. */
static int64_t memory_for(const struct limits *l, int n_ranks, const char **whose)
{
    int64_t most = INT64_MAX;
    *whose = "this host";
    if (l->host_memory >= 0) {
        most = l->host_memory;
    }
    if (l->group_memory >= 0 && l->group_memory < most) {
        most = l->group_memory;
        *whose = "the control group of this job or container";
    }
    /* A limit of each process, times the processes. */
    if (l->process_memory >= 0 && l->process_memory < most / n_ranks) {
        most = l->process_memory * n_ranks;
        *whose = "ulimit -v or -d";
    }
    return most;
}

/* Open MPI gives each rank a segment of 4 MiB in /dev/shm (btl_vader_segment_size), and writing to
 * a full file system of this kind ends a process by SIGBUS. Twice that is asked for. */
static void judge_shared_memory(struct doctor_report *r, const struct doctor_record *a, int n)
{
    const double need = 8.0 * n;
    if (n > 1 && a->limits.shared_memory >= 0 &&
        (double)a->limits.shared_memory < need * mebibyte) {
        doctor_say(r, DOCTOR_WARNING, "shared memory",
                   "%.0f MiB are free in /dev/shm on %s; %d ranks need about %.0f. Remedy: remove "
                   "files there, a larger --shm-size of the container, or "
                   "OMPI_MCA_btl=tcp,self",
                   (double)a->limits.shared_memory / mebibyte, a->host, n, need);
    }
}

static void judge_memory_of(struct doctor_report *r, const struct doctor_facts *f, int first)
{
    const struct doctor_record *a = &f->ranks[first];
    const int n = doctor_ranks_of_host(f, first);
    const char *whose;
    const int64_t most = memory_for(&a->limits, n, &whose);
    const double need = (double)f->memory_bytes * n;
    if (most == INT64_MAX) {
        doctor_say(r, DOCTOR_OK, "memory", "%s does not say how much there is", a->host);
    } else if ((double)most < need) {
        doctor_say(
            r, DOCTOR_ERROR, "memory",
            "%.0f MiB are left on %s (%s), but %d rank%s need%s %.0f. Remedy: fewer ranks, more "
            "memory (sbatch --mem-per-cpu=%.0fM), or say with --memory what a rank needs; "
            "karma train CONFIG --dry-run computes it",
            (double)most / mebibyte, a->host, whose, n, plural(n), n == 1 ? "s" : "",
            need / mebibyte, (double)f->memory_bytes / mebibyte);
    } else {
        doctor_say(r, DOCTOR_OK, "memory",
                   "%.0f MiB are left on %s, %d rank%s of %.0f MiB need %.0f",
                   (double)most / mebibyte, a->host, n, plural(n),
                   (double)f->memory_bytes / mebibyte, need / mebibyte);
    }
    judge_shared_memory(r, a, n);
}

void doctor_judge_memory(struct doctor_report *r, const struct doctor_facts *f)
{
    for (int i = 0; i < f->n; i++) {
        if (doctor_first_of_host(f, i)) {
            judge_memory_of(r, f, i);
        }
    }
}

/* ---- limits of a process ---- */

/* 16 MiB hold the checkpoint of the largest shipped configuration several times; MPI needs as much
 * for its shared memory. */
static bool judge_file_size(struct doctor_report *r, const struct doctor_facts *f)
{
    const int64_t least = 16 << 20;
    for (int i = 0; i < f->n; i++) {
        const struct limits *l = &f->ranks[i].limits;
        if (l->file_size >= 0 && l->file_size < least) {
            doctor_say(r, DOCTOR_ERROR, "limits",
                       "%s: files may have %" PRId64 " KiB only, less than a checkpoint or the "
                       "shared memory of MPI. Remedy: ulimit -f unlimited",
                       f->ranks[i].host, l->file_size / 1024);
            return true;
        }
    }
    return false;
}

/* A rank opens a few tens of files; MPI opens sockets to other ranks. */
void doctor_judge_limits(struct doctor_report *r, const struct doctor_facts *f)
{
    enum { FILES_MIN = 256 };
    const int64_t stack_min = 1 << 20;
    if (judge_file_size(r, f)) {
        return;
    }
    for (int i = 0; i < f->n; i++) {
        const struct limits *l = &f->ranks[i].limits;
        const char *host = f->ranks[i].host;
        if (l->stack >= 0 && l->stack < stack_min) {
            doctor_say(r, DOCTOR_WARNING, "limits",
                       "%s: the stack has %" PRId64 " KiB only. Remedy: ulimit -s 8192", host,
                       l->stack / 1024);
        } else if (l->open_files >= 0 && l->open_files < FILES_MIN) {
            doctor_say(r, DOCTOR_WARNING, "limits",
                       "%s: a process may open %" PRId64 " files only. Remedy: ulimit -n 1024",
                       host, l->open_files);
        } else if (l->cpu_s >= 0) {
            doctor_say(r, DOCTOR_WARNING, "limits",
                       "%s: a process is killed after %" PRId64
                       " s of CPU time. Remedy: ulimit -t unlimited, or a batch job: login nodes "
                       "often have such a limit",
                       host, l->cpu_s);
        } else {
            continue;
        }
        return;
    }
    doctor_say(r, DOCTOR_OK, "limits", "file size, stack, open files and CPU time suffice");
}

/* ---- storage ---- */

static void judge_space(struct doctor_report *r, const struct doctor_facts *f)
{
    enum { FREE_FILES_MIN = 1000 };
    const struct storage_probe *p = f->storage;
    if (p->free_bytes >= 0 && p->free_bytes < f->space_bytes) {
        doctor_say(r, DOCTOR_ERROR, "free space",
                   "%.0f MiB in %s, but %.0f are asked for. Remedy: remove old runs, --dir with a "
                   "directory on another file system, or say with --space what a run needs",
                   (double)p->free_bytes / mebibyte, p->dir, (double)f->space_bytes / mebibyte);
    } else if (p->free_files >= 0 && p->free_files < FREE_FILES_MIN) {
        doctor_say(r, DOCTOR_ERROR, "free space",
                   "%" PRId64 " files (inodes) can still be made in %s. Remedy: remove or pack old "
                   "runs",
                   p->free_files, p->dir);
    } else if (p->free_files >= 0) {
        doctor_say(r, DOCTOR_OK, "free space",
                   "%.0f MiB and %" PRId64 " files in %s (a quota is not seen)",
                   (double)p->free_bytes / mebibyte, p->free_files, p->dir);
    } else {
        doctor_say(r, DOCTOR_OK, "free space", "%.0f MiB in %s (a quota is not seen)",
                   (double)p->free_bytes / mebibyte, p->dir);
    }
}

static void judge_locks(struct doctor_report *r, const struct doctor_facts *f)
{
    if (f->storage->why_no_lock[0] != '\0') {
        doctor_say(r, DOCTOR_ERROR, "locks",
                   "%s: %s. Remedy: --dir with a directory on a file system that has links or "
                   "exclusive creation",
                   f->storage->dir, f->storage->why_no_lock);
        return;
    }
    for (int i = 0; i < f->n; i++) {
        const struct doctor_record *a = &f->ranks[i];
        if (a->seen == STORAGE_LOCK_IGNORED) {
            doctor_say(
                r, DOCTOR_ERROR, "locks",
                "%s: a lock of %s did not keep %s out, so two jobs could write the same run. "
                "Remedy: --dir with a directory on another file system",
                f->storage->dir, f->ranks[0].host, a->host);
            return;
        }
        if (a->seen == STORAGE_NOT_SHARED) {
            doctor_say(
                r, DOCTOR_WARNING, "shared storage",
                "%s does not see what %s writes into %s; every host reads configurations and "
                "twins, and a requeued job may go on there. Remedy: work in a directory that "
                "all hosts share",
                a->host, f->ranks[0].host, f->storage->dir);
            return;
        }
    }
    doctor_say(r, DOCTOR_OK, "locks", "a second lock is refused%s",
               doctor_hosts(f) > 1 ? ", on other hosts, too" : "");
}

void doctor_judge_storage(struct doctor_report *r, const struct doctor_facts *f)
{
    static const double slow_s = 0.5;
    const struct storage_probe *p = f->storage;
    const char *type = p->type != NULL ? p->type : "file system of another kind";
    if (p->probe[0] == '\0' || p->why[0] != '\0') {
        doctor_say(r, DOCTOR_ERROR, "output directory",
                   "%s%s%s: %s. Remedy: chmod u+rwx, free space, or --dir with another directory "
                   "(run.dir and --out of the other commands)",
                   f->dir, p->exists ? "" : ", to be made in ", p->exists ? "" : p->dir, p->why);
        return;
    }
    if (p->replace_s > slow_s) {
        doctor_say(
            r, DOCTOR_WARNING, "output directory",
            "%s (%s): replacing a small file takes %.1f s, and each checkpoint waits for that. "
            "Remedy: --dir on a faster file system, or a larger train.checkpoint_every",
            f->dir, type, p->replace_s);
    } else if (p->in_memory) {
        doctor_say(r, DOCTOR_WARNING, "output directory",
                   "%s lies in memory (%s): its files take memory and are lost when the host "
                   "restarts. Remedy: --dir with a directory on a disk",
                   f->dir, type);
    } else {
        doctor_say(r, DOCTOR_OK, "output directory",
                   "%s (%s)%s: a file is written, replaced and read back, in %.1f ms", f->dir, type,
                   p->exists ? "" : ", which a run will make", 1e3 * p->replace_s);
    }
    judge_space(r, f);
    judge_locks(r, f);
}

/* ---- clocks ---- */

/* Only what certainly differs is said: the whole interval lies beyond the limit. */
static bool apart(double lo, double hi, double limit)
{
    return lo > limit || hi < -limit;
}

void doctor_judge_clocks(struct doctor_report *r, const struct doctor_facts *f)
{
    static const double limit_s = 2.0;
    const struct storage_probe *p = f->storage;
    double widest = 0.0;
    for (int i = 1; i < f->n; i++) {
        double lo, hi;
        const bool known = skew_bounds(&lo, &hi, &f->ranks[0].clock, &f->ranks[i].clock);
        if (!known || apart(lo, hi, limit_s)) {
            doctor_say(r, DOCTOR_WARNING, "clock",
                       "%s is %s than %s by %.1f s%s. Remedy: start a time service there (chrony, "
                       "systemd-timesyncd); logs and make compare times",
                       f->ranks[i].host, lo > 0.0 ? "later" : "earlier", f->ranks[0].host,
                       fmin(fabs(lo), fabs(hi)), known ? " or more" : ", and was set meanwhile");
            return;
        }
        widest = fmax(widest, fmax(fabs(lo), fabs(hi)));
    }
    if (p->probe[0] != '\0' && p->why[0] == '\0' && apart(p->ahead_lo_s, p->ahead_hi_s, limit_s)) {
        doctor_say(r, DOCTOR_WARNING, "clock",
                   "the file system of %s is %s than %s by %.0f s. Remedy: a time service on both; "
                   "make would build too much or too little",
                   p->dir, p->ahead_lo_s > 0.0 ? "later" : "earlier", f->ranks[0].host,
                   fmin(fabs(p->ahead_lo_s), fabs(p->ahead_hi_s)));
    } else if (doctor_hosts(f) > 1) {
        doctor_say(r, DOCTOR_OK, "clock", "the hosts differ by %.1f ms at most", 1e3 * widest);
    } else {
        doctor_say(r, DOCTOR_OK, "clock", "host and file system agree");
    }
}

/* ---- names ---- */

static bool judge_name_of(struct doctor_report *r, const struct doctor_record *a)
{
    static const double slow_s = 1.0;
    if (a->name_state == NAME_UNKNOWN) {
        doctor_say(
            r, DOCTOR_WARNING, "host name",
            "'%s' cannot be resolved on %s (%s, after %.1f s); every start of MPI may wait 5 s "
            "or more for that. Remedy, as root: echo '127.0.1.1 %s' >>/etc/hosts",
            a->name, a->host, a->name_error, a->name_s, a->name);
    } else if (a->name_s > slow_s) {
        doctor_say(
            r, DOCTOR_WARNING, "host name",
            "resolving '%s' on %s took %.1f s, and every start of MPI waits for that. Remedy, "
            "as root: a line with that name in /etc/hosts",
            a->name, a->host, a->name_s);
    } else if (a->name_state == NAME_ELSEWHERE) {
        doctor_say(r, DOCTOR_WARNING, "host name",
                   "'%s' leads to %s, which is no address of %s, so other hosts may not reach it. "
                   "Remedy, as root: correct its line in /etc/hosts",
                   a->name, a->address, a->host);
    } else {
        return false;
    }
    return true;
}

static bool judge_temporary(struct doctor_report *r, const struct doctor_facts *f)
{
    for (int i = 0; i < f->n; i++) {
        if (f->ranks[i].temporary[0] != '\0') {
            doctor_say(
                r, DOCTOR_ERROR, "temporary files",
                "on %s nothing can be made in %s, where MPI keeps its session. Remedy: export "
                "TMPDIR=DIR, a directory of that host that you may write (slurm/env.sh)",
                f->ranks[i].host, f->ranks[i].temporary);
            return true;
        }
    }
    return false;
}

void doctor_judge_names(struct doctor_report *r, const struct doctor_facts *f)
{
    double slowest = 0.0;
    bool said = false;
    for (int i = 0; i < f->n; i++) {
        if (doctor_first_of_host(f, i)) {
            said = judge_name_of(r, &f->ranks[i]) || said;
        }
        slowest = fmax(slowest, f->ranks[i].name_s);
    }
    if (!said) {
        doctor_say(r, DOCTOR_OK, "host name", "'%s' leads to %s, in %.1f ms", f->ranks[0].name,
                   f->ranks[0].address, 1e3 * slowest);
    }
    if (!judge_temporary(r, f)) {
        doctor_say(r, DOCTOR_OK, "temporary files", "TMPDIR can be written");
    }
}

/* ---- programs ---- */

static bool in_path(const char *program)
{
    const char *path = getenv("PATH");
    char file[4096];
    while (path != NULL && *path != '\0') {
        const size_t n = strcspn(path, ":");
        (void)snprintf(file, sizeof file, "%.*s/%s", (int)n, path, program);
        if (access(file, X_OK) == 0) {
            return true;
        }
        path += n + (path[n] == ':');
    }
    return false;
}

void doctor_judge_tools(struct doctor_report *r, const struct doctor_facts *f)
{
    static const struct {
        const char *program, *use, *remedy;
    } tools[] = {
        {"gnuplot", "karma figure", "apt-get install gnuplot-nox"},
        {"dot", "karma org show --svg", "apt-get install graphviz"},
    };
    char found[256] = "";
    for (size_t i = 0; i < sizeof tools / sizeof tools[0]; i++) {
        if (in_path(tools[i].program)) {
            (void)snprintf(found + strlen(found), sizeof found - strlen(found), " %s",
                           tools[i].program);
        } else {
            doctor_say(r, DOCTOR_WARNING, "programs",
                       "%s is not in the PATH of %s; %s needs it. Remedy: %s, or its module",
                       tools[i].program, f->ranks[0].host, tools[i].use, tools[i].remedy);
        }
    }
    const bool mpirun = in_path("mpirun") || in_path("mpiexec"), srun = in_path("srun");
    if (strcmp(f->library, "serial") != 0 && !mpirun && !srun) {
        doctor_say(r, DOCTOR_WARNING, "programs",
                   "neither mpirun nor srun is in the PATH of %s, so only one rank can be started. "
                   "Remedy: apt-get install openmpi-bin, or the module of %s",
                   f->ranks[0].host, f->library);
        return;
    }
    doctor_say(r, DOCTOR_OK, "programs", "in the PATH:%s%s%s", found, mpirun ? " mpirun" : "",
               srun ? " srun" : "");
}

/* ---- the start of MPI ---- */

/* Open MPI before version 5 starts its daemon orted for a program that was started alone. */
static bool lacks_daemon(const struct doctor_facts *f)
{
    static const char family[] = "Open MPI ";
    const size_t n = sizeof family - 1;
    return f->launched.by == LAUNCHER_NONE && strncmp(f->library, family, n) == 0 &&
           strchr("1234", f->library[n]) != NULL && !in_path("orted");
}

void doctor_judge_start(struct doctor_report *r, const struct doctor_facts *f)
{
    if (launched_without_pmix(&f->launched, f->library)) {
        const int n = f->launched.size;
        doctor_say(r, DOCTOR_ERROR, "launcher",
                   "srun started %d process%s without PMIx, and %s cannot start so. Remedy: srun "
                   "--mpi=pmix ..., or mpirun inside the job (KARMA_LAUNCHER in slurm/env.sh); "
                   "'srun --mpi=list' shows what this Slurm offers",
                   n, n == 1 ? "" : "es", f->library);
    }
    if (lacks_daemon(f)) {
        doctor_say(r, DOCTOR_ERROR, "programs",
                   "orted, with which %s starts, is not in the PATH of %s. Remedy: apt-get install "
                   "openmpi-bin, or the module that was loaded for the build",
                   f->library, f->ranks[0].host);
    }
    (void)judge_file_size(r, f);
    (void)judge_temporary(r, f);
}
