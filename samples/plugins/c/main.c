/* Sorts the lines of a file and keeps one of equal ones. */
#define JSMN_PARENT_LINKS
#include "jsmn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The tree that is being built. */
#define TREE "/run/osbuild/tree"

#define ARGUMENTS (1 << 16)
#define TOKENS 1024

static char json[ARGUMENTS];
static jsmntok_t tokens[TOKENS];
static int count;

static int fail(const char *what) {
  fprintf(stderr, "error: %s: %s\n", what, strerror(errno));
  return EXIT_FAILURE;
}

/* The token of member `name` of the object `object`; -1 when there is none. */
static int member(int object, const char *name) {
  for (int i = object + 1; i + 1 < count; i++) {
    int length = tokens[i].end - tokens[i].start;
    if (tokens[i].parent == object && tokens[i].type == JSMN_STRING && length == (int)strlen(name) &&
        memcmp(json + tokens[i].start, name, length) == 0)
      return i + 1;
  }
  return -1;
}

/* The whole file with a 0 behind it; NULL when it cannot be read. */
static char *read_all(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file)
    return NULL;
  size_t size = 0, room = 1 << 16;
  char *text = malloc(room);
  while (text && (size += fread(text + size, 1, room - size - 1, file)) == room - 1)
    text = realloc(text, room *= 2);
  if (text)
    text[size] = 0;
  fclose(file);
  return text;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

int main(void) {
  size_t length = fread(json, 1, sizeof json - 1, stdin);
  jsmn_parser parser;
  jsmn_init(&parser);
  count = jsmn_parse(&parser, json, length, tokens, TOKENS);
  int options = count > 0 ? member(0, "options") : -1;
  int option = options > 0 ? member(options, "path") : -1;
  if (option < 0 || tokens[option].type != JSMN_STRING) {
    fputs("error: options.path: it is missing, or no text\n", stderr);
    return EXIT_FAILURE;
  }
  /* The schema admits no path that JSON would escape, but for `/`, which need not be. */
  json[tokens[option].end] = 0;
  char path[4096];
  if (snprintf(path, sizeof path, TREE "%s", json + tokens[option].start) >= (int)sizeof path) {
    errno = ENAMETOOLONG;
    return fail("options.path");
  }
  char *text = read_all(path);
  if (!text)
    return fail(path);

  size_t lines = 0, room = 0;
  char **line = NULL;
  for (char *next = strtok(text, "\n"); next; next = strtok(NULL, "\n")) {
    if (lines == room && !(line = realloc(line, (room = room ? 2 * room : 64) * sizeof *line)))
      return fail(path);
    line[lines++] = next;
  }
  if (lines)
    qsort(line, lines, sizeof *line, by_bytes);

  FILE *file = fopen(path, "w");
  if (!file)
    return fail(path);
  for (size_t i = 0; i < lines; i++)
    if (i == 0 || strcmp(line[i], line[i - 1]) != 0)
      fprintf(file, "%s\n", line[i]);
  return fclose(file) == 0 ? EXIT_SUCCESS : fail(path);
}
