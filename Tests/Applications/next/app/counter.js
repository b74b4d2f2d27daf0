'use client';

import { useState } from 'react';
import { greet } from './actions';

export default function Counter() {
  const [count, setCount] = useState(0);
  const [greeting, setGreeting] = useState('');
  return (
    <>
      <button id="count" onClick={() => setCount(count + 1)}>count {count}</button>
      <button id="greet" onClick={async () => setGreeting(await greet())}>greet</button>
      <output id="greeting">{greeting}</output>
    </>
  );
}
