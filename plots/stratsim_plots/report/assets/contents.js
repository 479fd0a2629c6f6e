// Marks in the table of contents where the reader is: the last section that has begun above the middle of the window.
const links = [...document.querySelectorAll('#contents a')];
const contents = document.getElementById('contents');
const sections = links.map((link) => document.getElementById(link.hash.slice(1)));
let waiting = false;

function mark() {
  waiting = false;
  const atEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
  let here = sections.findLastIndex((section) => section.getBoundingClientRect().top < innerHeight / 3);
  if (atEnd && scrollY > 0) { // the last sections cannot come to the top
    const asked = sections.findIndex((section) => `#${section.id}` === location.hash);
    here = asked > here ? asked : sections.length - 1;
  }
  links.forEach((link, place) => {
    if (place === here) {
      link.setAttribute('aria-current', 'true');
      contents.scrollLeft = link.offsetLeft - 16; // where it is a bar
    } else link.removeAttribute('aria-current');
  });
}

function soon() {
  if (!waiting) requestAnimationFrame(mark);
  waiting = true;
}

addEventListener('scroll', soon, { passive: true });
addEventListener('resize', soon);
mark();
