export const message = 'one';
