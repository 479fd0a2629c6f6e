/* How found pages are ranked. Sphinx gives every page whose text has a word the same score: here a page that has the
   words in its own title comes first, then sections that have them in theirs, then the glossary, then other pages;
   generated pages and decisions come last, unless nothing else has the words. */
var Scorer = {
  score: (result) => {
    const [page, title, , , score] = result;
    const query = new URLSearchParams(window.location.search).get("q") || "";
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    const parts = title.toLowerCase().split(" > ");
    const has = (text) => words.every((word) => text.includes(word));
    let own = score;
    if (words.length && has(parts[0])) own += 40;
    else if (words.length && has(parts[parts.length - 1])) own += 20;
    if (page === "reference/glossary") own += 12;
    if (page.startsWith("how-to/")) own += 4;
    if (page.startsWith("reference/generated/") || page.startsWith("decisions/")) own -= 30;
    if (page === "reference/commands") own -= 25;
    if (words.length && parts[0].startsWith(words[0])) own += 10;
    return own;
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
