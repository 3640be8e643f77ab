/* Files: what is written is there, and what could not be written leaves no trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/file.h"
#include "tests/unit/scene.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int stop(void **state)
{
    return scene_sweep(*state);
}

static int entries(const char *dir)
{
    DIR *d = opendir(dir);
    int n = 0;
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    }
    closedir(d);
    return n;
}

static void assert_contents(struct scene *s, const char *want)
{
    assert_int_equal(file_read(&s->text, s->path, 1 << 20), ERR_OK);
    assert_string_equal((const char *)s->text.data, want);
    assert_int_equal(s->text.len, strlen(want));
}

static void a_write_is_read_back_and_replaced(void **state)
{
    struct scene *s = *state;
    assert_int_equal(file_write(s->path, "first, longer", 13), ERR_OK);
    assert_contents(s, "first, longer");
    assert_int_equal(file_write(s->path, "second", 6), ERR_OK);
    assert_contents(s, "second");
    assert_int_equal(file_write(s->path, "", 0), ERR_OK);
    assert_contents(s, "");
    assert_int_equal(entries(s->dir), 1);
}

static void a_large_file_survives_the_round_trip(void **state)
{
    struct scene *s = *state;
    enum { N = 300000 };
    unsigned char *bytes = malloc(N);
    for (int i = 0; i < N; i++) {
        bytes[i] = (unsigned char)(i * 7 + i / 251);
    }
    assert_int_equal(file_write(s->path, bytes, N), ERR_OK);
    assert_int_equal(file_read(&s->text, s->path, N), ERR_OK);
    assert_int_equal(s->text.len, N);
    assert_memory_equal(s->text.data, bytes, N);
    free(bytes);
}

static void a_missing_file_is_named(void **state)
{
    struct scene *s = *state;
    assert_int_equal(file_read(&s->text, "/nowhere/at/all", 100), ERR_IO);
    assert_string_equal(s->log.last,
                        "error: cannot open '/nowhere/at/all': No such file or directory");
    assert_int_equal(file_write("/nowhere/at/all", "x", 1), ERR_IO);
    assert_non_null(strstr(s->log.last, "'/nowhere/at/all': No such file or directory"));
    assert_int_equal(file_read(&s->text, s->dir, 100), ERR_IO);
    assert_non_null(strstr(s->log.last, "Is a directory"));
}

static void more_than_the_limit_is_refused(void **state)
{
    struct scene *s = *state;
    assert_int_equal(file_write(s->path, "12345", 5), ERR_OK);
    assert_int_equal(file_read(&s->text, s->path, 5), ERR_OK);
    assert_int_equal(file_read(&s->text, s->path, 4), ERR_IO);
    assert_int_equal(s->text.len, 0);
    /* A device without an end must end too. */
    assert_int_equal(file_read(&s->text, "/dev/zero", 1 << 20), ERR_IO);
    assert_non_null(strstr(s->log.last, "more than the 1048576 bytes"));
}

/* 5 GB that are not there: refused by the length, before a byte is read or asked for. */
static void a_huge_file_costs_nothing(void **state)
{
    struct scene *s = *state;
    assert_int_equal(file_write(s->path, "", 0), ERR_OK);
    assert_int_equal(truncate(s->path, (off_t)5 << 30), 0);
    const uint64_t before = mem_bytes();
    assert_int_equal(file_read(&s->text, s->path, (size_t)1 << 30), ERR_IO);
    assert_non_null(strstr(s->log.last, "more than the 1073741824 bytes"));
    assert_true(mem_bytes() == before);
}

static void a_full_device_is_an_error(void **state)
{
    struct scene *s = *state;
    if (access("/dev/full", W_OK) != 0) {
        print_message("skipped: no /dev/full here\n");
        skip();
    }
    assert_int_equal(file_write("/dev/full", "x", 1), ERR_IO);
    assert_string_equal(s->log.last, "error: cannot write '/dev/full': No space left on device");
    struct stat st;
    assert_int_equal(stat("/dev/full", &st), 0);
    assert_true(S_ISCHR(st.st_mode)); /* not replaced by a file */
    assert_int_equal(file_append("/dev/full", "x", 1), ERR_IO);
}

/* Runs in a child, because the limit holds for the process. 0 = as promised. */
static int write_beyond_the_limit(struct scene *s)
{
    char *big = calloc(1, 100000);
    struct rlimit limit = {50000, 50000};
    setrlimit(RLIMIT_FSIZE, &limit);
    int bad = file_write(s->path, big, 100000) != ERR_IO;
    bad |= (strstr(s->log.last, "File too large") == NULL) << 1;
    bad |= (file_append(s->path, big, 100000) != ERR_IO) << 2;
    free(big);
    return bad;
}

static void a_short_write_leaves_the_old_file(void **state)
{
    struct scene *s = *state;
    assert_int_equal(file_write(s->path, "old", 3), ERR_OK);
    pid_t child = fork();
    if (child == 0) {
        _exit(write_beyond_the_limit(s));
    }
    int status = 0;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status)); /* not killed by SIGXFSZ */
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_contents(s, "old"); /* appending was undone as well */
    assert_int_equal(entries(s->dir), 1);
}

static void pieces_appear_when_they_are_committed(void **state)
{
    struct scene *s = *state;
    struct file_writer w;
    assert_int_equal(file_write(s->path, "old", 3), ERR_OK);
    assert_int_equal(file_writer_open(&w, s->path), ERR_OK);
    assert_int_equal(file_writer_put(&w, "ne", 2), ERR_OK);
    assert_int_equal(file_writer_put(&w, "w", 1), ERR_OK);
    assert_contents(s, "old");
    assert_int_equal(entries(s->dir), 2);
    assert_int_equal(file_writer_commit(&w), ERR_OK);
    assert_contents(s, "new");
    assert_int_equal(entries(s->dir), 1);
    file_writer_abandon(&w); /* does nothing any more */
    assert_int_equal(file_writer_open(&w, s->path), ERR_OK);
    assert_int_equal(file_writer_put(&w, "lost", 4), ERR_OK);
    file_writer_abandon(&w);
    assert_contents(s, "new");
    assert_int_equal(entries(s->dir), 1);
    assert_int_equal(file_writer_open(&w, "/nowhere/data"), ERR_IO);
    file_writer_abandon(&w);
}

static void what_a_killed_writer_left_is_removed(void **state)
{
    struct scene *s = *state;
    struct file_writer w;
    char other[128];
    assert_int_equal(file_write(s->path, "x", 1), ERR_OK);
    snprintf(other, sizeof other, "%s/.tmp-abcdef", s->dir); /* nobody's temporary file */
    assert_int_equal(file_write(other, "x", 1), ERR_OK);
    assert_int_equal(file_writer_open(&w, s->path), ERR_OK);
    close(w.fd); /* and then it was killed */
    assert_int_equal(entries(s->dir), 3);
    assert_int_equal(file_remove_temporaries(s->dir, 0), ERR_OK);
    assert_int_equal(entries(s->dir), 2);
    assert_true(file_exists(s->path) && file_exists(other));
    assert_int_equal(file_remove_temporaries("/nowhere", 0), ERR_IO);
    assert_non_null(strstr(s->log.last, "/nowhere"));
}

static void only_what_is_old_enough_is_removed(void **state)
{
    struct scene *s = *state;
    const struct timespec hour_ago[2] = {{time(NULL) - 3601, 0}, {time(NULL) - 3601, 0}};
    static const char *const names[] = {"a.tmp-abcdef", "lock.tmp-abcdef", "x.lock.tmp-abcdef"};
    char path[3][128];
    for (int i = 0; i < 3; i++) {
        snprintf(path[i], sizeof path[i], "%s/%s", s->dir, names[i]);
        assert_int_equal(file_write(path[i], "x", 1), ERR_OK);
    }
    assert_int_equal(file_remove_temporaries(s->dir, 3600), ERR_OK);
    assert_int_equal(entries(s->dir), 3);
    assert_int_equal(file_remove_temporaries(s->dir, 0), ERR_OK); /* others may ask for the lock */
    assert_false(file_exists(path[0]));
    assert_int_equal(entries(s->dir), 2);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(utimensat(AT_FDCWD, path[i], hour_ago, 0), 0);
    }
    assert_int_equal(file_remove_temporaries(s->dir, 3600), ERR_OK);
    assert_int_equal(entries(s->dir), 0);
}

/* Links lead to what stays. */
static void a_tree_is_removed(void **state)
{
    struct scene *s = *state;
    char tree[128], deep[256], link[256], file[256];
    snprintf(tree, sizeof tree, "%s/tree", s->dir);
    snprintf(deep, sizeof deep, "%s/a/b", tree);
    snprintf(link, sizeof link, "%s/link", tree);
    snprintf(file, sizeof file, "%s/a/file", tree);
    assert_int_equal(file_make_dirs(deep), ERR_OK);
    assert_int_equal(file_write(file, "x", 1), ERR_OK);
    assert_int_equal(file_write(s->path, "stays", 5), ERR_OK);
    assert_int_equal(symlink(s->dir, link), 0);
    assert_int_equal(file_remove_tree(tree), ERR_OK);
    assert_false(file_exists(tree));
    assert_contents(s, "stays");
    assert_int_equal(file_remove_tree(tree), ERR_IO);
    assert_non_null(strstr(s->log.last, tree));
    assert_int_equal(symlink(s->dir, tree), 0);
    assert_int_equal(file_remove_tree(tree), ERR_IO); /* a link is no tree */
    assert_contents(s, "stays");
    assert_int_equal(unlink(tree), 0);
}

/* A process that is killed while it tries whether it can write. Most kills hit it between making
 * its probe and removing it, so some of many do. */
static void the_probe_of_a_killed_process_is_removed(void **state)
{
    struct scene *s = *state;
    const int before = entries(s->dir);
    for (unsigned i = 0; i < 200 && entries(s->dir) == before; i++) {
        const pid_t child = fork();
        while (child == 0) {
            (void)!file_check_writable(s->dir);
        }
        usleep(500 + 37 * i);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
    }
    assert_int_equal(entries(s->dir), before + 1);
    assert_int_equal(file_remove_temporaries(s->dir, 0), ERR_OK);
    assert_int_equal(entries(s->dir), before);
}

static void append_adds_and_creates(void **state)
{
    struct scene *s = *state;
    assert_int_equal(file_append(s->path, "a\n", 2), ERR_OK);
    assert_int_equal(file_append(s->path, "b\n", 2), ERR_OK);
    assert_contents(s, "a\nb\n");
}

static void directories_are_made_with_their_parents(void **state)
{
    struct scene *s = *state;
    char deep[128];
    snprintf(deep, sizeof(deep), "%s/a//b/c/", s->dir);
    assert_int_equal(file_make_dirs(deep), ERR_OK);
    assert_true(file_is_dir(deep));
    assert_int_equal(file_make_dirs(deep), ERR_OK);
    assert_int_equal(file_write(s->path, "x", 1), ERR_OK);
    snprintf(deep, sizeof(deep), "%s/below", s->path);
    assert_int_equal(file_make_dirs(deep), ERR_IO); /* a file stands in the way */
    assert_non_null(strstr(s->log.last, s->path));
    assert_int_equal(file_make_dirs(""), ERR_IO);
    char *endless = malloc(10001);
    memset(endless, 'x', 10000);
    endless[10000] = '\0';
    assert_int_equal(file_make_dirs(endless), ERR_IO);
    free(endless);
}

static void a_directory_is_tried_for_writing(void **state)
{
    struct scene *s = *state;
    assert_int_equal(file_check_writable(s->dir), ERR_OK);
    assert_int_equal(entries(s->dir), 0);
    assert_int_equal(file_check_writable("/nowhere"), ERR_IO);
    assert_int_equal(file_check_writable("/proc"), ERR_IO); /* refuses root too */
    assert_non_null(strstr(s->log.last, "cannot write into '/proc'"));
}

static void names(void **state)
{
    struct scene *s = *state;
    struct arena a;
    arena_init(&a);
    assert_string_equal(file_join(&a, "a", "b"), "a/b");
    assert_string_equal(file_join(&a, "a/", "b"), "a/b");
    assert_string_equal(file_join(&a, "", "b"), "b");
    assert_string_equal(file_join(&a, "a", "/b"), "/b");
    arena_release(&a);
    assert_false(file_exists(s->path));
    assert_int_equal(file_remove(s->path), ERR_OK);
    assert_int_equal(file_write(s->path, "x", 1), ERR_OK);
    assert_true(file_exists(s->path));
    assert_false(file_is_dir(s->path));
    assert_int_equal(file_remove(s->path), ERR_OK);
    assert_false(file_exists(s->path));
}

static void exhausted_memory_while_reading(void **state)
{
    struct scene *s = *state;
    assert_int_equal(file_write(s->path, "abc", 3), ERR_OK);
    mem_fail_after(1);
    assert_int_equal(file_read(&s->text, s->path, 100), ERR_MEMORY);
    mem_fail_after(0);
    assert_contents(s, "abc");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scene_setup, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_write_is_read_back_and_replaced),
        TEST(a_large_file_survives_the_round_trip),
        TEST(a_missing_file_is_named),
        TEST(more_than_the_limit_is_refused),
        TEST(a_huge_file_costs_nothing),
        TEST(a_full_device_is_an_error),
        TEST(a_short_write_leaves_the_old_file),
        TEST(pieces_appear_when_they_are_committed),
        TEST(what_a_killed_writer_left_is_removed),
        TEST(only_what_is_old_enough_is_removed),
        TEST(a_tree_is_removed),
        TEST(the_probe_of_a_killed_process_is_removed),
        TEST(append_adds_and_creates),
        TEST(directories_are_made_with_their_parents),
        TEST(a_directory_is_tried_for_writing),
        TEST(names),
        TEST(exhausted_memory_while_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
