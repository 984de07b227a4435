// The filter of the table: terms between spaces that must all hold, lr>1e-3 norm=batch|layer status!=failed ramp.

const TERM = /^(.+?)(>=|<=|!=|=|~|>|<)(.*)$/;
const unquoted = (text) => text.replaceAll('"', "");
const same = (cell, wanted) =>
  String(cell ?? "").toLowerCase() === wanted ||
  (wanted !== "" && cell !== null && cell !== "" && Number(cell) === Number(wanted));

const TESTS = {
  "=": (cell, wanted) => wanted.split("|").some((one) => same(cell, one)),
  "!=": (cell, wanted) => !wanted.split("|").some((one) => same(cell, one)),
  "~": (cell, wanted) =>
    String(cell ?? "")
      .toLowerCase()
      .includes(wanted),
  ">": (cell, wanted) => Number(cell) > Number(wanted),
  "<": (cell, wanted) => Number(cell) < Number(wanted),
  ">=": (cell, wanted) => Number(cell) >= Number(wanted),
  "<=": (cell, wanted) => Number(cell) <= Number(wanted),
};

// The terms that can be understood, and a sentence for each that cannot.
function parseFilter(text) {
  const terms = [];
  const problems = [];
  for (const word of text.match(/(?:[^\s"]|"[^"]*"?)+/g) ?? []) {
    const parts = unquoted(word).match(TERM);
    if (!parts) {
      terms.push({ text: word, keeps: (run) => anywhere(run, unquoted(word).toLowerCase()) });
      continue;
    }
    const [, name, operator, wanted] = parts;
    const column = columnOf(name);
    if (!column) {
      problems.push(`There is no column ${name}; there are ${columns.map((one) => one.name).join(", ")}.`);
    } else if ("<>".includes(operator[0]) && (wanted === "" || Number.isNaN(Number(wanted)))) {
      problems.push(`${word} compares with ${wanted || "nothing"}, which is no number.`);
    } else {
      const bar = wanted.toLowerCase();
      const ordered = "<>".includes(operator[0]);
      const keeps = (run) => {
        const cell = column.values[run];
        return (!ordered || (cell !== null && cell !== "")) && TESTS[operator](cell, bar);
      };
      terms.push({ text: word, column: column.name, operator, wanted, keeps });
    }
  }
  return { terms, problems };
}

// A column by its name, or by an end of it that no other has: loss is no column, test/loss is.
function columnOf(name) {
  const wanted = name.toLowerCase();
  const exact = columns.find((column) => column.name.toLowerCase() === wanted);
  const ends = columns.filter(({ name }) => ["/", "."].some((sign) => name.toLowerCase().endsWith(sign + wanted)));
  return exact ?? (ends.length === 1 ? ends[0] : undefined);
}

function anywhere(run, wanted) {
  return columns.some((column) =>
    String(column.values[run] ?? "")
      .toLowerCase()
      .includes(wanted),
  );
}

// The filter's text with other terms for one column; without terms the column is let go.
function withTerms(text, column, ...fresh) {
  const kept = parseFilter(text)
    .terms.filter((term) => term.column !== column)
    .map((term) => term.text);
  return [...kept, ...fresh].join(" ");
}

const quoted = (text) => (/\s/.test(text) ? `"${text}"` : text);
