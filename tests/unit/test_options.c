/* Command-line tables: what is accepted, the sentence for each mistake, and that the help names
 * every row. */
#include "core/base/nearest.h"
#include "core/base/options.h"
#include "tests/unit/heard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct train_options {
    const char *out;
    int threads;
    bool resume, verbose;
    const char **sets;
    int n_sets;
    int dump_update;
    const char *dump_file;
};

static const struct option_row ROWS[] = {
    OPTION_STRING(struct train_options, out, "out", 'o', "DIR", "run directory"),
    OPTION_INT(struct train_options, threads, "threads", 'j', "N", 1, 64, "threads per rank"),
    OPTION_FLAG(struct train_options, resume, "resume", 'r', "go on from the last checkpoint"),
    OPTION_FLAG(struct train_options, verbose, "verbose", 'v', "say more"),
    OPTION_LIST(struct train_options, sets, n_sets, "set", 's', "KEY=VALUE", "override a key"),
    OPTION_NUMBERED(struct train_options, dump_update, dump_file, "dump-update", 'd', "N FILE", 1,
                    99, "write update N into FILE"),
    OPTION_END,
};

static const struct operand_row OPERANDS[] = {
    {"CONFIG", "configuration file", 1, 1},
    {"SEED", "seeds, each a run", 0, 3},
    OPERAND_END,
};

static const struct command_line LINE = {
    .command = "karma train",
    .summary = "Train a policy.",
    .options = ROWS,
    .operands = OPERANDS,
    .size = sizeof(struct train_options),
};

struct fixture {
    struct arena arena;
    struct heard log;
    struct train_options values;
    struct operands operands;
};

static int set_up(void **state)
{
    static struct fixture f;
    memset(&f, 0, sizeof f);
    arena_init(&f.arena);
    f.values = (struct train_options){.out = "run", .threads = 1};
    heard_begin(&f.log);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    mem_fail_after(0);
    heard_end();
    arena_release(&f->arena);
    return 0;
}

/* Parse NULL-terminated arguments. */
static enum err parse(struct fixture *f, char *const *argv)
{
    int argc = 0;
    while (argv[argc] != NULL) {
        argc++;
    }
    return options_parse(&LINE, &f->arena, &f->values, &f->operands, argc, argv);
}
#define PARSE(f, ...) parse((f), (char *const[]){"train", __VA_ARGS__, NULL})

static void assert_logged(const struct fixture *f, const char *sentence)
{
    if (strstr(f->log.text, sentence) == NULL) {
        fail_msg("expected \"%s\" in: %s", sentence, f->log.text);
    }
}

static void test_defaults_stay(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(PARSE(f, "a.yaml"), ERR_OK);
    assert_string_equal(f->values.out, "run");
    assert_int_equal(f->values.threads, 1);
    assert_false(f->values.resume);
    assert_int_equal(f->values.n_sets, 0);
    assert_int_equal(f->operands.n, 1);
    assert_string_equal(f->operands.items[0], "a.yaml");
    assert_false(f->operands.help);
}

static void test_every_spelling(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(PARSE(f, "--out=x", "--threads", "8", "a.yaml", "--resume", "-s", "a=1",
                           "--set=b=2", "-sc=3"),
                     ERR_OK);
    assert_string_equal(f->values.out, "x");
    assert_int_equal(f->values.threads, 8);
    assert_true(f->values.resume);
    assert_int_equal(f->values.n_sets, 3);
    assert_string_equal(f->values.sets[0], "a=1");
    assert_string_equal(f->values.sets[1], "b=2");
    assert_string_equal(f->values.sets[2], "c=3");
}

static void test_letters_together(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(PARSE(f, "-rvj4", "a.yaml"), ERR_OK);
    assert_true(f->values.resume);
    assert_true(f->values.verbose);
    assert_int_equal(f->values.threads, 4);
}

static void test_last_one_counts(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(PARSE(f, "--out", "x", "a.yaml", "--out", ""), ERR_OK);
    assert_string_equal(f->values.out, "");
}

static void test_double_dash_and_dash(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(PARSE(f, "-", "--", "--out", "--"), ERR_OK);
    assert_int_equal(f->operands.n, 3);
    assert_string_equal(f->operands.items[0], "-");
    assert_string_equal(f->operands.items[1], "--out");
    assert_string_equal(f->operands.items[2], "--");
}

static void test_default_list(void **state)
{
    struct fixture *f = *state;
    const char *given[] = {"x=1"};
    f->values.sets = given;
    f->values.n_sets = 1;
    assert_int_equal(PARSE(f, "a.yaml"), ERR_OK);
    assert_ptr_equal(f->values.sets, given);
    assert_int_equal(f->values.n_sets, 1);
    assert_int_equal(PARSE(f, "a.yaml", "--set", "y=2"), ERR_OK);
    assert_int_equal(f->values.n_sets, 1);
    assert_string_equal(f->values.sets[0], "y=2");
}

static void test_two_values(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(PARSE(f, "--dump-update", "3", "a.bin", "a.yaml", "1"), ERR_OK);
    assert_int_equal(f->values.dump_update, 3);
    assert_string_equal(f->values.dump_file, "a.bin");
    assert_int_equal(f->operands.n, 2);
    assert_string_equal(f->operands.items[0], "a.yaml");
    assert_int_equal(PARSE(f, "a.yaml", "--dump-update=4", "-"), ERR_OK);
    assert_int_equal(f->values.dump_update, 4);
    assert_string_equal(f->values.dump_file, "-");
    assert_int_equal(PARSE(f, "-vd5", "b.bin", "a.yaml"), ERR_OK);
    assert_int_equal(f->values.dump_update, 5);
    assert_string_equal(f->values.dump_file, "b.bin");
    assert_true(f->values.verbose);
}

static void test_help_is_recognised(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(PARSE(f, "--threads", "9", "--help", "--nonsense"), ERR_OK);
    assert_true(f->operands.help);
    assert_int_equal(f->values.threads, 1);
    assert_int_equal(PARSE(f, "-h"), ERR_OK);
    assert_true(f->operands.help);
    assert_int_equal(PARSE(f, "a.yaml", "--", "--help"), ERR_OK);
    assert_false(f->operands.help);
}

static void test_mistakes(void **state)
{
    static const struct {
        char *argv[8];
        const char *sentence;
    } cases[] = {
        {{"train", "--thread", "2"}, "unknown option '--thread'; did you mean '--threads'?"},
        {{"train", "--hlep"}, "unknown option '--hlep'; did you mean '--help'?"},
        {{"train", "--frobnicate"}, "unknown option '--frobnicate'; it takes --out, "},
        {{"train", "--outt=3"}, "unknown option '--outt'; did you mean '--out'?"},
        {{"train", "-x"}, "unknown option '-x'"},
        {{"train", "-rx"}, "unknown option '-x'"},
        {{"train", "--out"}, "--out needs a value; write --out DIR"},
        {{"train", "-o"}, "--out needs a value; write --out DIR"},
        {{"train", "--dump-update"}, "--dump-update needs two values; write --dump-update N FILE"},
        {{"train", "a", "--dump-update", "3"},
         "--dump-update needs two values; write --dump-update N FILE"},
        {{"train", "a", "--dump-update", "3.bin", "a"},
         "--dump-update: found '3.bin', allowed is a whole number from 1 to 99"},
        {{"train", "a", "-d100", "b"}, "--dump-update: found '100', allowed"},
        {{"train", "--resume=yes"}, "--resume takes no value; write --resume alone"},
        {{"train", "--threads", "0"},
         "--threads: found '0', allowed is a whole number from 1 to 64"},
        {{"train", "--threads", "65"}, "--threads: found '65', allowed"},
        {{"train", "--threads=2x"}, "--threads: found '2x', allowed"},
        {{"train", "--threads="}, "--threads: found '', allowed"},
        {{"train", "--threads", " 2"}, "--threads: found ' 2', allowed"},
        {{"train", "--threads", "99999999999999999999"}, "found '99999999999999999999'"},
        {{"train"}, "CONFIG is missing (configuration file)"},
        {{"train", "a", "1", "2", "3", "4"}, "unexpected argument '4'"},
    };
    struct fixture *f = *state;
    struct train_options before = f->values;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        heard_forget(&f->log);
        assert_int_equal(parse(f, cases[i].argv), ERR_USAGE);
        assert_int_equal(f->log.n, 1);
        assert_logged(f, cases[i].sentence);
        assert_logged(f, "'karma train --help' explains the command");
        assert_memory_equal(&before, &f->values, sizeof before);
    }
}

static void test_memory_failure(void **state)
{
    struct fixture *f = *state;
    int failures = 0;
    for (uint64_t n = 1; n < 10; n++) {
        struct arena arena;
        arena_init(&arena);
        mem_fail_after(n);
        char *const argv[] = {"train", "a.yaml", "--set", "a=1"};
        enum err e = options_parse(&LINE, &arena, &f->values, &f->operands, 4, argv);
        mem_fail_after(0);
        arena_release(&arena);
        f->values = (struct train_options){.threads = 1};
        failures += e == ERR_MEMORY;
        assert_true(e == ERR_OK || e == ERR_MEMORY);
    }
    assert_true(failures > 0);
}

static char *help_text(struct buf *b)
{
    assert_int_equal(buf_append(b, "", 1), ERR_OK);
    return (char *)b->data;
}

static void test_help(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b);
    assert_int_equal(options_help(&b, &LINE), ERR_OK);
    assert_string_equal(help_text(&b),
                        "Usage: karma train [options] CONFIG [SEED...]\n"
                        "\n"
                        "Train a policy.\n"
                        "\n"
                        "Arguments:\n"
                        "  CONFIG                    configuration file\n"
                        "  SEED                      seeds, each a run\n"
                        "\n"
                        "Options:\n"
                        "  -o, --out DIR             run directory\n"
                        "  -j, --threads N           threads per rank; from 1 to 64\n"
                        "  -r, --resume              go on from the last checkpoint\n"
                        "  -v, --verbose             say more\n"
                        "  -s, --set KEY=VALUE       override a key; may be repeated\n"
                        "  -d, --dump-update N FILE  write update N into FILE; N from "
                        "1 to 99\n"
                        "  -h, --help                print this help\n");
    buf_release(&b);
}

static void test_help_wraps(void **state)
{
    (void)state;
    static const struct option_row rows[] = {
        OPTION_STRING(struct train_options, out, "an-option-with-a-very-long-name", 0, "DIRECTORY",
                      "one two three four five six seven eight nine ten eleven twelve thirteen "
                      "fourteen fifteen sixteen seventeen eighteen"),
        OPTION_END,
    };
    static const struct operand_row none[] = {OPERAND_END};
    struct command_line line = LINE;
    line.options = rows;
    line.operands = none;
    struct buf b;
    buf_init(&b);
    assert_int_equal(options_help(&b, &line), ERR_OK);
    char *text = help_text(&b);
    assert_non_null(strstr(text, "Usage: karma train [options]\n\nTrain a policy.\n\nOptions:\n"));
    assert_non_null(strstr(text, "      --an-option-with-a-very-long-name DIRECTORY\n"));
    for (char *p = text; *p != '\0'; p += strcspn(p, "\n") + 1) {
        assert_true(strcspn(p, "\n") <= 100);
    }
    assert_non_null(strstr(text, " eighteen\n"));
    buf_release(&b);
}

static enum err run_nothing(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return ERR_OK;
}

static const struct command VERBS[] = {
    {.name = "fit", .summary = "learn a twin", .run = run_nothing},
    {.name = "report", .summary = "its accuracy", .run = run_nothing},
    {.name = NULL},
};
static const struct command COMMANDS[] = {
    {.name = "train", .summary = "train a policy", .run = run_nothing},
    {.name = "eval", .summary = "measure a policy", .run = run_nothing},
    {.name = "twin", .summary = "digital twins", .verbs = VERBS},
    {.name = NULL},
};
static const struct command ROOT = {
    .name = "karma", .verbs = COMMANDS, .about = "Scaling by roles."};

/* Words after the program's name -> the row, or the table whose overview is wanted. */
static void test_nested_commands(void **state)
{
    (void)state;
    static const struct {
        char *words[5];
        const struct command *run, *table;
        const char *program;
        int n_words;
        bool help;
    } cases[] = {
        {{"karma", "eval", "x", NULL}, &COMMANDS[1], COMMANDS, "karma", 2, false},
        {{"karma", "eval", "--help", NULL}, &COMMANDS[1], COMMANDS, "karma", 2, false},
        {{"karma", "twin", "report", "x", NULL}, &VERBS[1], VERBS, "karma twin", 3, false},
        {{"karma", NULL}, NULL, COMMANDS, "karma", 1, false},
        {{"karma", "-h", NULL}, NULL, COMMANDS, "karma", 1, true},
        {{"karma", "help", NULL}, NULL, COMMANDS, "karma", 1, true},
        {{"karma", "twin", NULL}, NULL, VERBS, "karma twin", 2, false},
        {{"karma", "twin", "--help", NULL}, NULL, VERBS, "karma twin", 2, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct command_choice c;
        int n = 0;
        while (cases[i].words[n] != NULL) {
            n++;
        }
        assert_int_equal(command_choose(&c, &ROOT, n, cases[i].words), ERR_OK);
        assert_ptr_equal(c.run, cases[i].run);
        assert_ptr_equal(c.table, cases[i].table);
        assert_string_equal(c.program, cases[i].program);
        assert_int_equal(c.n_words, cases[i].n_words);
        assert_int_equal(c.help, cases[i].help);
    }
}

/* Before anything is logged: the row that the words lead to, if they do. */
static void test_command_named(void **state)
{
    struct fixture *f = *state;
    static const struct {
        char *words[5];
        const struct command *row;
    } cases[] = {
        {{"karma", "eval", "twin", NULL}, &COMMANDS[1]},
        {{"karma", "twin", "fit", "x", NULL}, &VERBS[0]},
        {{"karma", "twin", "reprot", NULL}, NULL},
        {{"karma", "twin", NULL}, NULL},
        {{"karma", "fit", NULL}, NULL},
        {{"karma", NULL}, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int n = 0;
        while (cases[i].words[n] != NULL) {
            n++;
        }
        assert_ptr_equal(command_named(&ROOT, n, cases[i].words), cases[i].row);
        assert_string_equal(f->log.text, "");
    }
}

static void test_wrong_commands(void **state)
{
    struct fixture *f = *state;
    static const struct {
        char *words[5];
        const char *says;
    } cases[] = {
        {{"karma", "trian", NULL}, "karma: unknown command 'trian'; did you mean 'train'?"},
        {{"karma", "twin", "reprot", NULL},
         "karma twin: unknown command 'reprot'; did you mean 'report'?"},
        {{"karma", "twin", "store", NULL},
         "karma twin: unknown command 'store'; there are fit, report ('karma twin --help'"},
        {{"karma", "twin", "--out", "x", NULL},
         "karma twin: found the option '--out' before the command"},
        {{"karma", "", NULL}, "karma: unknown command ''"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct command_choice c = {.n_words = -1};
        int n = 0;
        while (cases[i].words[n] != NULL) {
            n++;
        }
        assert_int_equal(command_choose(&c, &ROOT, n, cases[i].words), ERR_USAGE);
        assert_int_equal(c.n_words, -1);
        assert_logged(f, cases[i].says);
    }
}

static void test_commands(void **state)
{
    struct fixture *f = *state;
    assert_ptr_equal(command_find(COMMANDS, "karma", "eval"), &COMMANDS[1]);
    assert_null(command_find(COMMANDS, "karma", "trian"));
    assert_logged(f, "karma: unknown command 'trian'; did you mean 'train'?");
    assert_null(command_find(COMMANDS, "karma", "frobnicate"));
    assert_logged(f, "unknown command 'frobnicate'; there are train, eval, twin ('karma --help' "
                     "explains them)");
    struct buf b;
    buf_init(&b);
    assert_int_equal(command_help(&b, COMMANDS, "karma", "Scaling by roles."), ERR_OK);
    assert_string_equal(help_text(&b), "Usage: karma COMMAND [options]\n"
                                       "\n"
                                       "Scaling by roles.\n"
                                       "\n"
                                       "Commands:\n"
                                       "  train  train a policy\n"
                                       "  eval   measure a policy\n"
                                       "  twin   digital twins\n"
                                       "\n"
                                       "'karma COMMAND --help' explains a command.\n");
    buf_release(&b);
}

/* Worked by hand; the swap is the case where plain Levenshtein gives 2. */
static void test_distance(void **state)
{
    (void)state;
    assert_int_equal(nearest_distance("", ""), 0);
    assert_int_equal(nearest_distance("abc", ""), 3);
    assert_int_equal(nearest_distance("kitten", "sitting"), 3);
    assert_int_equal(nearest_distance("clpi", "clip"), 1);
    assert_int_equal(nearest_distance("ca", "abc"), 3);
    assert_int_equal(nearest_distance("Cpu-M", "cpu_m"), 0);
    char word[200];
    memset(word, 'a', sizeof word - 1);
    word[199] = '\0';
    assert_int_equal(nearest_distance(word, "a"), 199);
    struct nearest n = nearest_to("xyz");
    nearest_offer(&n, "abc");
    assert_null(nearest_word(&n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_defaults_stay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_spelling, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_letters_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_last_one_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_double_dash_and_dash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_default_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_help_is_recognised, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mistakes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory_failure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_help, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_help_wraps, set_up, tear_down),
        cmocka_unit_test(test_nested_commands),
        cmocka_unit_test_setup_teardown(test_command_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_commands, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_commands, set_up, tear_down),
        cmocka_unit_test(test_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
