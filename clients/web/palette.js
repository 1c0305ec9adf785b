// The colours of clients/palette.py; a test holds the two together. Okabe and Ito's, told apart with
// any kind of colour vision, and always beside a name.
const COLOURS = {
  angry: "#d55e00",
  disgust: "#009e73",
  fearful: "#cc79a7",
  happy: "#e69f00",
  neutral: "#8c8c8c",
  sad: "#0072b2",
  surprised: "#56b4e9",
};

/** The colour of an emotion. */
export const colourOf = (label) => COLOURS[label] ?? "#8c8c8c";
